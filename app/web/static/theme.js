// Light or dark, before the first paint: as chosen here before, else as the system is set. `data-choice` says which.
(() => {
  /** @type {string | null} */
  let here = null; // where storage is switched off, a choice lasts as long as the page
  const chosen = () => {
    try {
      return localStorage.getItem("twinmeter.theme") ?? here;
    } catch {
      return here;
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const choice = chosen();
    const theme = choice ?? (system.matches ? "dark" : "light");
    Object.assign(document.documentElement.dataset, { theme, choice: choice ?? "system" });
    document.dispatchEvent(new CustomEvent("twinmeter:theme", { detail: theme }));
  };
  system.addEventListener("change", apply);
  document.addEventListener("twinmeter:choose-theme", ({ detail }) => {
    here = detail === "system" ? null : detail;
    try {
      if (here) localStorage.setItem("twinmeter.theme", here);
      else localStorage.removeItem("twinmeter.theme");
    } catch {
      // as above
    }
    apply();
  });
  addEventListener("storage", (event) => event.key === "twinmeter.theme" && apply());
  apply();
})();
