// Moves the line of each figure over time along with the sound of the player beside it.
document.querySelectorAll(".companion-timed").forEach((clip) => {
  const audio = clip.querySelector("audio");
  const figure = clip.querySelector("svg[data-points]");
  const cursor = figure.querySelector('[id$="-cursor"]');
  const { begin, end, points } = figure.dataset;
  const follow = () => {
    const share = (audio.currentTime - begin) / (end - begin);
    cursor.setAttribute("transform", `translate(${points * Math.min(Math.max(share, 0), 1)} 0)`);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", follow);
});

// What scrolls sideways can be scrolled from the keyboard.
const reach = () =>
  document.querySelectorAll(".companion-figure, .pst-scrollable-table-container").forEach((box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
addEventListener("load", reach);
addEventListener("resize", reach);
