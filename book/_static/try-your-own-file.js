/* Try your own file: the estimator of `skey detect` in plain JavaScript, and the page around it.
 *
 * `window.SKEY`, which the build writes into skey-network.js from the shipped default network, holds the weights
 * and every constant; this file holds the steps. They have the names of the Python functions that they repeat.
 */
"use strict";

/* The estimator. It uses nothing from outside this function, so that its text can be handed to a Web Worker. */
function skeyEstimator(SKEY) {
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)).buffer);
  const weights = Object.fromEntries(Object.entries(SKEY.weights).map(([name, text]) => [name, floats(text)]));
  const lowpass = floats(SKEY.lowpass);
  const normalisation = floats(SKEY.normalisation);
  const sum = (values) => {
    let total = 0;
    for (let i = 0; i < values.length; i++) total += values[i];
    return total;
  };
  const peakOf = (wave) => wave.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  const maximum = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);
  const floored = (number) => Math.floor(100 * number) / 100;
  const dot = (a, b) => sum(a.map((value, i) => value * b[i]));

  // --- The log-VQT (skey.spectrum): (samples) to (bins, frames), each a row after the other.

  function logVqt(wave, peak, cents) {
    const kernels = octaveKernels(cents);
    const frames = Math.floor(wave.length / SKEY.hop) + 1;
    const result = new Float64Array(SKEY.bins * frames);
    let sound = wave.map((sample) => sample / peak);
    for (let octave = 0; octave < SKEY.octaves; octave++) {
      if (octave) sound = halved(sound);
      const firstBin = SKEY.bins - (octave + 1) * SKEY.binsPerOctave;
      octaveMagnitudes(sound, kernels, SKEY.hop >> octave, firstBin, frames, result);
    }
    result.forEach((magnitude, i) => (result[i] = 10 * Math.log10(Math.max(magnitude, SKEY.smallestMagnitude))));
    const floor = maximum(result) - SKEY.dynamicRange;
    return { frames, values: result.map((decibels) => Math.max(decibels, floor) / SKEY.dynamicRange + 1) };
  }

  // The top octave, tuned so many cents higher: twelve real parts, then twelve negated imaginary ones.
  function octaveKernels(cents) {
    const made = new Float32Array(2 * SKEY.binsPerOctave * SKEY.kernelTaps);
    SKEY.topFrequencies.forEach((frequency, row) => {
      const length = SKEY.kernelLengths[row];
      const first = (SKEY.kernelTaps - length) >> 1;
      const turn = (2 * Math.PI * frequency * 2 ** (cents / 1200)) / SKEY.sampleRate;
      for (let i = 0; i < length; i++) {
        const weight = (1 - Math.cos((2 * Math.PI * i) / length)) / length; // A Hann window of sum 1.
        const time = i - ((length + 1) >> 1);
        made[row * SKEY.kernelTaps + first + i] = weight * Math.cos(turn * time);
        made[(row + SKEY.binsPerOctave) * SKEY.kernelTaps + first + i] = -weight * Math.sin(turn * time);
      }
    });
    return made;
  }

  // The twelve bins that are the top octave of this sample rate; the lowest octave lacks some.
  function octaveMagnitudes(wave, kernels, hop, firstBin, frames, result) {
    const taps = SKEY.kernelTaps;
    const mirrored = new Float32Array(wave.length + taps);
    for (let i = 0; i < mirrored.length; i++) {
      const place = Math.abs(i - taps / 2);
      mirrored[i] = wave[place < wave.length ? place : 2 * (wave.length - 1) - place];
    }
    for (let row = Math.max(0, -firstBin); row < SKEY.binsPerOctave; row++) {
      const bin = firstBin + row;
      for (let frame = 0; frame < frames; frame++) {
        let [real, imaginary] = [0, 0];
        for (let tap = 0; tap < taps; tap++) {
          const sample = mirrored[frame * hop + tap];
          real += sample * kernels[row * taps + tap];
          imaginary += sample * kernels[(row + SKEY.binsPerOctave) * taps + tap];
        }
        result[bin * frames + frame] = Math.sqrt(real * real + imaginary * imaginary) * normalisation[bin];
      }
    }
  }

  function halved(wave) {
    const padded = new Float32Array(wave.length + 2 * lowpass.length);
    padded.set(wave, lowpass.length / 2 - 1);
    const half = new Float32Array(wave.length >> 1);
    for (let n = 0; n < half.length; n++) {
      const end = 2 * n + lowpass.length - 1;
      let total = 0; // The filter is symmetric: each tap serves two samples.
      for (let i = 0; i < lowpass.length / 2; i++) total += lowpass[i] * (padded[2 * n + i] + padded[end - i]);
      half[n] = total;
    }
    return half;
  }

  // --- ChromaNet (skey.inference): values lie as (bins, frames, channels).

  function networkProfile({ frames, values }) {
    const [step, lowest] = [SKEY.framesPerStep, maximum(values) - SKEY.floor];
    const available = frames * Math.max(1, Math.ceil(SKEY.minimumFrames / frames)); // Short sounds are repeated.
    let x = { frames: Math.floor(available / step), channels: 1 };
    x.data = new Float64Array(SKEY.croppedBins * x.frames);
    for (let bin = 0; bin < SKEY.croppedBins; bin++) {
      for (let frame = 0; frame < x.frames * step; frame++) {
        const value = values[(SKEY.crop + bin) * frames + (frame % frames)];
        x.data[bin * x.frames + Math.floor(frame / step)] += Math.max(value, lowest) / step;
      }
    }
    SKEY.kernelSizes.forEach((size, block) => {
      x = convnext(timeDownsampling(x, `blocks.${2 * block}`), `blocks.${2 * block + 1}`, size);
    });
    // Octave equivalence and the mean over time in one: bins of one pitch class are averaged.
    const classes = SKEY.binsPerOctave;
    const means = new Float64Array(classes * x.channels);
    const perClass = x.data.length / means.length;
    const width = x.frames * x.channels;
    x.data.forEach((value, i) => {
      means[(Math.floor(i / width) % classes) * x.channels + (i % x.channels)] += value / perClass;
    });
    const logits = linear(means, "classifier").map((logit, i) => {
      const mode = i % 2;
      const variance = weights["mode_norm.running_var"][mode] + SKEY.epsilon;
      return (logit - weights["mode_norm.running_mean"][mode]) / Math.sqrt(variance);
    });
    const profile = softmax(logits);
    return SKEY.order.map((output) => profile[output]); // Calibration: from outputs to keys.
  }

  function timeDownsampling(x, name) {
    const even = x.frames - (x.frames % 2); // An odd last frame is dropped.
    const pairs = norm(x.data).filter((_, i) => Math.floor(i / x.channels) % x.frames < even);
    const data = gelu(linear(pairs, `${name}.pairs`));
    return { frames: even / 2, channels: weights[`${name}.pairs.bias`].length, data };
  }

  function convnext(x, name, size) {
    const wide = gelu(linear(norm(depthwise(x, `${name}.depthwise`, size)), `${name}.widen`));
    const scale = weights[`${name}.scale`];
    const branch = linear(wide, `${name}.narrow`);
    return { ...x, data: x.data.map((value, i) => value + branch[i] * scale[i % x.channels]) };
  }

  // Each channel with its own kernel; the values at the borders are repeated.
  function depthwise({ frames, channels, data }, name, size) {
    const kernel = weights[`${name}.weight`];
    const bias = weights[`${name}.bias`];
    const result = new Float64Array(data.length);
    const within = (place, count) => Math.min(Math.max(place, 0), count - 1);
    for (let bin = 0; bin < SKEY.croppedBins; bin++) {
      for (let frame = 0; frame < frames; frame++) {
        const to = (bin * frames + frame) * channels;
        for (let c = 0; c < channels; c++) result[to + c] = bias[c];
        for (let i = 0; i < size; i++) {
          const row = within(bin + i - (size >> 1), SKEY.croppedBins) * frames;
          for (let j = 0; j < size; j++) {
            const from = (row + within(frame + j - (size >> 1), frames)) * channels;
            const tap = i * size + j;
            for (let c = 0; c < channels; c++) result[to + c] += data[from + c] * kernel[c * size * size + tap];
          }
        }
      }
    }
    return result;
  }

  function norm(data) {
    const mean = sum(data) / data.length;
    const variance = data.reduce((total, value) => total + (value - mean) ** 2, 0) / data.length;
    const deviation = Math.sqrt(variance + SKEY.epsilon);
    return data.map((value) => (value - mean) / deviation);
  }

  function linear(data, name) {
    const [matrix, bias] = [weights[`${name}.weight`], weights[`${name}.bias`]];
    const [outputs, inputs] = [bias.length, matrix.length / bias.length];
    const result = new Float64Array((data.length / inputs) * outputs);
    for (let from = 0, to = 0; from < data.length; from += inputs, to += outputs) {
      for (let output = 0; output < outputs; output++) {
        let total = bias[output];
        for (let input = 0; input < inputs; input++) total += data[from + input] * matrix[output * inputs + input];
        result[to + output] = total;
      }
    }
    return result;
  }

  // x times the normal distribution function at x, with the polynomial of Abramowitz and Stegun, 7.1.26.
  function gelu(data) {
    const [a, b, c, d, e] = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
    return data.map((x) => {
      const size = Math.abs(x);
      const near = 1 / (1 + (0.3275911 / Math.SQRT2) * size);
      const tail = (((((a * near + b) * near + c) * near + d) * near + e) * near) / 2;
      return Math.max(x, 0) - tail * Math.exp(-0.5 * x * x) * size;
    });
  }

  function softmax(logits) {
    const most = maximum(logits);
    const likelihoods = Array.from(logits, (logit) => Math.exp(logit - most));
    const total = sum(likelihoods);
    return likelihoods.map((likelihood) => likelihood / total);
  }

  const sharpen = (profile) =>
    softmax(profile.map((share) => Math.log(Math.max(share, SKEY.tiny)) / SKEY.temperature));

  // --- Is there a tonality? (skey.tonality)

  const T = SKEY.tonality;
  const hann = Float64Array.from({ length: T.frame }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (T.frame - 1)));
  const roots = Float64Array.from({ length: T.frame }, (_, i) => {
    const angle = (-2 * Math.PI * (i >> 1)) / T.frame;
    return i % 2 ? Math.sin(angle) : Math.cos(angle);
  });

  // Half seconds that stay far under the peak are cut out.
  function sounding(wave) {
    const half = SKEY.sampleRate >> 1;
    const starts = Array.from({ length: Math.ceil(wave.length / half) }, (_, i) => i * half);
    const swings = starts.map((start) => {
      const part = wave.subarray(start, start + half);
      return maximum(part) - part.reduce((least, sample) => Math.min(least, sample), Infinity);
    });
    const floor = T.silentRange * maximum(swings);
    return swings.every((swing) => swing > floor) ? wave : wave.filter((_, i) => swings[Math.floor(i / half)] > floor);
  }

  function measureTonality(wave) {
    const floor = 1.5 * ((T.frame / 4) * T.rounding * peakOf(wave)) ** 2;
    const power = active(powerSpectra(wave), floor);
    if (!power.length) return { seconds: 0, tonal: false, musical: false, tuning: [0, 0] };
    const peaks = peaksOf(power);
    const prominence = lineProminence(power);
    const { agreement, spread, change } = scaleOf(peaks, power.length);
    const measured = [Math.log(prominence + 0.05), agreement, spread, Math.log(change + 0.02), 1];
    const tonal = prominence > T.tonalProminence;
    return {
      seconds: (power.length * T.step) / SKEY.sampleRate,
      tonal,
      musical: tonal && change > T.leastChange && dot(measured, T.weights) > 0,
      tuning: turned(peaks, peaks.map((peak) => peak.magnitude)),
    };
  }

  // The sum of exp(2 pi i d) over peaks, d in semitones, each with its weight; and the angle of such a sum in cents.
  const turned = (peaks, weights) =>
    [Math.cos, Math.sin].map((part) => dot(peaks.map((peak) => part(2 * Math.PI * peak.semitones)), weights));
  const centsOf = ([real, imaginary]) => (Math.atan2(imaginary, real) * 50) / Math.PI;

  // Spectral peaks within 40 dB of the highest: where they lie, how far they stand out, whether they stay.
  function peaksOf(power) {
    const [first, last] = T.tuningBins;
    const logs = power.map((spectrum) => spectrum.map(Math.log));
    const highest = maximum(logs.map((log) => maximum(log.subarray(first, last))));
    const byFrame = logs.map((log) => {
      const found = new Map();
      for (let bin = first; bin < last; bin++) {
        const [left, middle, right] = [log[bin - 1], log[bin], log[bin + 1]];
        if (!(middle > left && middle >= right && middle > highest + T.tuningRange)) continue;
        const position = bin + (left - right) / 2 / (left - 2 * middle + right);
        const around = log.subarray(bin - T.neighbours, bin + T.neighbours + 1);
        found.set(bin, {
          position,
          semitones: 12 * Math.log2((position * SKEY.sampleRate) / T.frame / T.concertA),
          magnitude: Math.exp(middle / 2),
          excess: Math.max(middle - sum(around) / around.length, 0),
        });
      }
      return found;
    });
    const stays = (frame, bin, position) =>
      [-1, 0, 1].some((shift) => {
        const other = byFrame[frame]?.get(bin + shift);
        return other && Math.abs(other.position - position) < Math.min(T.steady[0] * position, T.steady[1]);
      });
    return byFrame.flatMap((found, frame) =>
      Array.from(found, ([bin, peak]) => {
        const steady = [frame - 1, frame + 1].every((other) => stays(other, bin, peak.position));
        return { ...peak, frame, weight: steady ? peak.excess : 0 };
      }),
    );
  }

  // Agreement, entropy of the pitch classes and change of the steady peaks, weighted by their excess.
  function scaleOf(peaks, frames) {
    const total = sum(peaks.map((peak) => peak.weight));
    if (!total) return { agreement: 0, spread: 0, change: 0 };
    const tuning = turned(peaks, peaks.map((peak) => peak.weight));
    const classes = SKEY.binsPerOctave;
    const chroma = new Float64Array(classes * frames);
    for (const { frame, semitones, weight } of peaks) {
      const pitch = Math.round(semitones - centsOf(tuning) / 100);
      chroma[frame * classes + (((pitch % classes) + classes) % classes)] += weight / total;
    }
    const byClass = Array.from({ length: classes }, (_, c) => sum(chroma.filter((_, i) => i % classes === c)));
    const byFrame = Array.from({ length: frames }, (_, f) => sum(chroma.subarray(f * classes, (f + 1) * classes)));
    const entropy = (shares) => -sum(shares.map((share) => share * Math.log(Math.max(share, 1e-30))));
    const spread = entropy(byClass);
    const change = Math.max(spread - (entropy(chroma) - entropy(byFrame)), 0);
    return { agreement: Math.hypot(...tuning) / total, spread, change };
  }

  // The tuning as far as it was heard: no window jumps to the next key. Whole cents, 0 where nearly in tune.
  function followedTuning() {
    const heard = [0, 0];
    let cents = 0;
    return (tuning) => {
      tuning.forEach((part, i) => (heard[i] += part));
      const moved = centsOf(heard) - cents + 50;
      cents += (((moved % 100) + 100) % 100) - 50;
      return Math.abs(cents) > SKEY.inTuneCents ? Math.round(cents) : 0;
    };
  }

  function powerSpectra(wave) {
    const mean = sum(wave) / wave.length;
    const spectra = [];
    for (let start = 0; start + T.frame <= wave.length; start += T.step) {
      const real = hann.map((weight, i) => weight * (wave[start + i] - mean));
      const imaginary = new Float64Array(T.frame);
      fourier(real, imaginary);
      spectra.push(real.subarray(0, T.frame / 2 + 1).map((value, i) => value ** 2 + imaginary[i] ** 2));
    }
    return spectra;
  }

  // The discrete Fourier transform in place, radix 2 (T.frame is a power of two).
  function fourier(real, imaginary) {
    for (let i = 1, j = 0; i < T.frame; i++) {
      let bit = T.frame >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) [real[i], real[j]] = [real[j], real[i]]; // The imaginary part is still zero.
    }
    for (let size = 2; size <= T.frame; size *= 2) {
      for (let start = 0; start < T.frame; start += size) {
        for (let k = 0; k < size / 2; k++) {
          const [a, b, root] = [start + k, start + k + size / 2, (2 * k * T.frame) / size];
          const re = real[b] * roots[root] - imaginary[b] * roots[root + 1];
          const im = real[b] * roots[root + 1] + imaginary[b] * roots[root];
          real[b] = real[a] - re;
          imaginary[b] = imaginary[a] - im;
          real[a] += re;
          imaginary[a] += im;
        }
      }
    }
  }

  function active(power, floor) {
    const energy = power.map((spectrum) => sum(spectrum.subarray(...T.lineBins)));
    const least = Math.max(T.activeRange * maximum(energy), floor, T.smallestFloat);
    const kept = power.filter((_, i) => energy[i] > least);
    const mean = sum(kept.map(sum)) / (kept.length * (T.frame / 2 + 1));
    return kept.map((spectrum) => spectrum.map((value) => value + 1e-12 * mean));
  }

  function lineProminence(power) {
    const spectrum = new Float64Array(T.frame / 2 + 1);
    for (const frame of power) frame.forEach((value, bin) => (spectrum[bin] += Math.log(value) / power.length));
    const side = (start) => sum(spectrum.subarray(start, start + T.neighbours)) / T.neighbours;
    const [first, last] = T.lineBins;
    let total = 0;
    for (let bin = first; bin < last; bin++) {
      total += Math.max(spectrum[bin] - Math.max(side(bin - T.neighbours), side(bin + 1)), 0) ** 2;
    }
    const byChance = (T.noiseProminence ** 2 * Math.PI ** 2) / 6 / power.length;
    return Math.sqrt(Math.max(total / (last - first) - byChance, 0));
  }

  // --- From windows to an estimate (skey.estimator).

  // A mean of more than a share of the peak is an error of the recording.
  function level(wave) {
    const offset = sum(wave) / wave.length;
    return Math.abs(offset) > SKEY.offset * peakOf(wave) ? wave.map((sample) => sample - offset) : wave;
  }

  function hear(samples, start, end, follow) {
    const wave = samples.subarray(start ? end - SKEY.windowSamples : 0, end); // The last window reaches back.
    const own = samples.subarray(start, end);
    const times = { start: start / SKEY.sampleRate, end: end / SKEY.sampleRate, peak: peakOf(own) };
    if (wave.length < SKEY.minSamples || times.peak < SKEY.silencePeak) {
      return { ...times, sounding: 0, own: 0, active: 0, tonal: false, profile: null };
    }
    const cut = sounding(wave);
    const heard = level(cut.length >= SKEY.minSamples ? cut : wave);
    const { seconds, tonal, musical, tuning } = measureTonality(wave);
    return {
      ...times,
      sounding: heard.length / SKEY.sampleRate,
      own: sounding(own).length / SKEY.sampleRate,
      active: seconds,
      tonal,
      profile: musical ? networkProfile(logVqt(heard, peakOf(heard), follow(tuning))) : null,
    };
  }

  function whyNoKey(heard, samples, peak) {
    const seconds = sum(heard.map((h) => h.active));
    const length = floored(samples / SKEY.sampleRate);
    const least = Number((SKEY.minSamples / SKEY.sampleRate).toPrecision(3));
    if (samples < SKEY.minSamples)
      return `the recording is too short: ${length} s, and at least ${least} s are needed`;
    if (peak < SKEY.silencePeak)
      return "the recording is silent: nothing above -80 dB of full scale is left after mixing down " +
        "(channels in opposite phase cancel each other)";
    if (seconds < T.minActiveSeconds)
      return `too little sound: ${floored(seconds)} s in all, and at least ${T.minActiveSeconds} s are needed`;
    if (!heard.some((h) => h.tonal))
      return "no tonality: the spectrum has no lines that stand out as those of pitches do (noise?)";
    if (sum(heard.map((h) => (h.profile ? h.active : 0))) < SKEY.leastShare * seconds)
      return "no tonality: no several pitches that stay, agree and change (speech, a machine, one tone?)";
    return null;
  }

  function meanProfile(heard) {
    const tonal = heard.filter((h) => h.profile);
    const long = tonal.filter((h) => h.own >= SKEY.leastVoteSeconds);
    const voting = long.length ? long : tonal;
    const total = sum(voting.map((h) => h.sounding));
    return SKEY.keys.map((_, key) => sum(voting.map((h) => (h.profile[key] * h.sounding) / total)));
  }

  // Neighbours with the same key become one segment; its confidence is the mean by duration.
  function segmentsOf(heard) {
    const segments = [];
    for (const { start, end, profile } of heard) {
      const confidence = profile ? maximum(sharpen(profile)) : 0;
      const key = profile ? sharpen(profile).indexOf(confidence) : null;
      const last = segments.at(-1);
      if (last && last.key === key) {
        const before = last.end - last.start;
        last.confidence = (last.confidence * before + confidence * (end - start)) / (before + end - start);
        last.end = end;
      } else segments.push({ start, end, key, confidence });
    }
    return segments;
  }

  /* The key of a recording: mono samples at 22,050 Hz in, and out what KeyEstimate says: `key` (index of
   * SKEY.keys) or null with a `reason`, 24 `probabilities`, `duration` and `segments`.
   * `progress` is called with the share of the recording that has been read. */
  return function estimate(samples, progress = () => {}) {
    if (!samples.length) throw new RangeError("the recording is empty: it has no samples; export or download it again");
    if (!samples.every(Number.isFinite)) throw new RangeError("the recording holds NaN or infinite samples; export it again");
    const windows = [];
    const follow = followedTuning();
    for (let start = 0; start < samples.length; start += SKEY.windowSamples) {
      const end = Math.min(start + SKEY.windowSamples, samples.length);
      if (windows.at(-1)?.profile && end - start < SKEY.leastVoteSeconds * SKEY.sampleRate) {
        windows.at(-1).end = end / SKEY.sampleRate; // It would have no say: its network need not run.
      } else windows.push(hear(samples, start, end, follow));
      progress(end / samples.length);
    }
    const peak = maximum(windows.map((h) => h.peak));
    const heard = windows.map((h) => (h.peak >= SKEY.quiet * peak ? h : { ...h, profile: null }));
    const duration = samples.length / SKEY.sampleRate;
    const reason = whyNoKey(heard, samples.length, peak);
    if (reason) {
      const segments = [{ start: 0, end: duration, key: null, confidence: 0 }];
      const equal = SKEY.keys.map(() => 1 / SKEY.keys.length);
      return { key: null, reason, probabilities: equal, duration, segments };
    }
    const probabilities = sharpen(meanProfile(heard));
    const key = probabilities.indexOf(maximum(probabilities));
    return { key, reason: null, probabilities, duration, segments: segmentsOf(heard) };
  };
}

/* The example: 45 s of I IV V I in G major, then 15 s of i iv V i in E minor, four harmonics per note. */
function exampleSamples(sampleRate) {
  const parts = [[55, [[0, 4, 7], [5, 9, 12], [7, 11, 14], [0, 4, 7]]], [52, [[0, 3, 7], [5, 8, 12], [7, 11, 14], [0, 3, 7]]]];
  const samples = new Float32Array(60 * sampleRate);
  for (let beat = 0; beat < 60; beat++) {
    const [tonic, chords] = parts[beat < 45 ? 0 : 1];
    const chord = chords[beat % 4];
    for (const pitch of [...chord, chord[0] - 12].map((step) => tonic + step)) {
      const turn = (2 * Math.PI * 440 * 2 ** ((pitch - 69) / 12)) / sampleRate;
      for (let i = 0; i < sampleRate; i++) {
        const loudness = 0.05 * Math.exp((-2 * i) / sampleRate) * Math.min(1, i / 400);
        for (let n = 1; n <= 4; n++) samples[beat * sampleRate + i] += (loudness / n) * Math.sin(n * turn * i);
      }
    }
  }
  return samples;
}

/* The page: a file or the example in, words and drawings out. */
function tryYourOwnFile(page, SKEY) {
  const [input, example, bar, said, result] = ["input", "button", "progress", "[role=status]", ".skey-result"].map(
    (selector) => page.querySelector(selector),
  );
  const program = `const SKEY = ${JSON.stringify(SKEY)}; const estimate = (${skeyEstimator})(SKEY);
    onmessage = ({ data }) => {
      try {
        postMessage({ estimate: estimate(data, (progress) => postMessage({ progress })) });
      } catch (error) { postMessage({ error: error.message }); }
    };`;
  const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const percent = (share, places = 0) => `${(100 * share).toFixed(places)}\u00a0%`;
  const clock = (seconds) => {
    const whole = Math.round(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  };
  const nameOf = (key) => (key === null ? "no key" : SKEY.keys[key]);
  let worker = null;

  async function run(name, read) {
    worker?.terminate(); // Who chooses another recording no longer waits for the one before.
    const mine = (worker = new Worker(address));
    result.hidden = true;
    bar.hidden = false;
    bar.removeAttribute("value");
    const finish = (words) => {
      mine.terminate();
      bar.hidden = true;
      said.textContent = `${name}: ${words}`;
    };
    said.textContent = `${name}: reading …`;
    mine.onmessage = ({ data }) => {
      if (data.progress) bar.value = data.progress;
      if (data.error) finish(data.error);
      if (data.estimate) finish(show(data.estimate));
    };
    try {
      const samples = await read();
      if (mine === worker) mine.postMessage(samples, [samples.buffer]);
    } catch {
      if (mine === worker) finish("this browser cannot decode the file; a WAV, FLAC or MP3 file works in most");
    }
  }

  // The browser decodes and resamples; the channels are averaged as in skey.audio.
  async function decoded(file) {
    const context = new OfflineAudioContext(1, 1, SKEY.sampleRate);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const mono = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel++) {
      sound.getChannelData(channel).forEach((sample, i) => (mono[i] += sample / sound.numberOfChannels));
    }
    return mono;
  }

  // Draws an estimate and returns it in words.
  function show({ key, reason, probabilities, segments, duration }) {
    if (key === null) return `no key. ${reason[0].toUpperCase()}${reason.slice(1)}.`;
    const ranked = SKEY.keys.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    const times = segments.map((s) => [`${clock(s.start)} to ${clock(s.end)}`, nameOf(s.key), percent(s.confidence)]);
    result.innerHTML = `<div>${circle(probabilities, key)}</div>
      <div><p><strong>Key over time</strong></p>${timeline(segments, duration)}
      ${table("Key over time as a table", ["Time", "Key", "Confidence"], times)}
      ${table("All 24 probabilities", ["Key", "Camelot", "Probability"],
        ranked.map((i) => [SKEY.keys[i], SKEY.camelot[i], percent(probabilities[i], 1)]))}</div>`;
    result.hidden = false;
    const [best, second] = ranked;
    return `${SKEY.keys[best]} (Camelot ${SKEY.camelot[best]}), confidence ${percent(probabilities[best])}; ` +
      `runner-up ${SKEY.keys[second]}, ${percent(probabilities[second])}.`;
  }

  // C on top; each bar grows outwards with its probability, the minor keys in the inner ring.
  function circle(probabilities, best) {
    const at = (radius, degrees) => {
      const angle = (degrees * Math.PI) / 180;
      return `${(radius * Math.sin(angle)).toFixed(1)} ${(-radius * Math.cos(angle)).toFixed(1)}`;
    };
    const wedge = (middle, inner, outer) => {
      const [from, to] = [middle - 14, middle + 14];
      return `M${at(inner, from)}A${inner} ${inner} 0 0 1 ${at(inner, to)}L${at(outer, to)}` +
        `A${outer} ${outer} 0 0 0 ${at(outer, from)}Z`;
    };
    const parts = SKEY.circle.map((key, place) => {
      const [degrees, mode] = [30 * Math.floor(place / 2), place % 2 ? "minor" : "major"];
      const [inner, label] = place % 2 ? [31, 91] : [109, 165];
      const [x, y] = at(label, degrees).split(" ");
      return `<g class="${mode}"><title>${SKEY.keys[key]}, ${percent(probabilities[key])}</title>
        <path class="ring" d="${wedge(degrees, inner, inner + 42)}"/>
        <path d="${wedge(degrees, inner, inner + 42 * probabilities[key])}"/>
        <text x="${x}" y="${y}" ${key === best ? 'class="best"' : ""}>${SKEY.short[key]}</text></g>`;
    });
    const words = `Circle of fifths with C on top: ${nameOf(best)} is the likeliest key, ${percent(probabilities[best])}`;
    return `<svg viewBox="-180 -176 360 352" role="img" aria-label="${words}">${parts.join("")}</svg>`;
  }

  function timeline(segments, duration) {
    const rows = [...new Set(segments.map((s) => s.key))].map((key) => {
      const bars = segments.filter((s) => s.key === key).map((s) => `<i style="left: ${(100 * s.start) / duration}%;
        width: ${(100 * (s.end - s.start)) / duration}%"></i>`);
      return `<span>${nameOf(key)}</span><span class="track ${nameOf(key).split(" ")[1]}">${bars.join("")}</span>`;
    });
    return `<div class="skey-time" aria-hidden="true">${rows.join("")}
      <span></span><span class="ends"><span>0:00</span><span>${clock(duration)}</span></span></div>`;
  }

  const cells = (kind, row) => `<tr>${row.map((text) => `<${kind}>${text}</${kind}>`).join("")}</tr>`;
  const table = (title, head, rows) => `<details><summary>${title}</summary><table class="table">
    <thead>${cells("th", head)}</thead><tbody>${rows.map((row) => cells("td", row)).join("")}</tbody></table></details>`;

  const take = (file) => file && run(file.name, () => decoded(file));
  input.addEventListener("click", () => (input.value = "")); // The same file may be chosen again.
  input.addEventListener("change", () => take(input.files[0]));
  example.addEventListener("click", () => run("The example", async () => exampleSamples(SKEY.sampleRate)));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    page.addEventListener(kind, (event) => {
      event.preventDefault();
      page.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  }
}

if (document.querySelector(".skey-try")) tryYourOwnFile(document.querySelector(".skey-try"), window.SKEY);
