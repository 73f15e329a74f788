// Videos play while they are in view, unless the reader asked for less motion; the controls work without any of this.
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const videos = document.querySelectorAll("video");
if (!calm && "IntersectionObserver" in window) {
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) target.play().catch(() => {});
      else target.pause();
    }
  }, { threshold: 0.35 });
  videos.forEach((video) => watch.observe(video));
}
