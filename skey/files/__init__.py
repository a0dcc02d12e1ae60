"""Files of music: what soundfile and FFmpeg decode, and the tags in which programs look for a key."""
