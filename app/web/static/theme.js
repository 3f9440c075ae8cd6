// Light or dark, before the first paint: as chosen here before, else as the system is set.
(() => {
  const chosen = () => {
    try {
      return localStorage.getItem("twinmeter.theme");
    } catch {
      return null; // storage is switched off: the system decides
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const theme = chosen() ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("twinmeter:theme", { detail: theme }));
  };
  system.addEventListener("change", apply);
  document.addEventListener("twinmeter:choose-theme", (event) => {
    try {
      localStorage.setItem("twinmeter.theme", event.detail);
      apply();
    } catch {
      document.documentElement.dataset.theme = event.detail;
      document.dispatchEvent(new CustomEvent("twinmeter:theme", { detail: event.detail }));
    }
  });
  addEventListener("storage", (event) => event.key === "twinmeter.theme" && apply());
  apply();
})();
