// The page /usage: whose panel it shows is said by a token in its address, or by the page that frames it, or by the
// browser's session. The token leaves the address at once: nothing keeps it.

(() => {
  const panel = /** @type {HTMLElement} */ (document.querySelector("twinmeter-usage"));
  const framed = window.parent !== window;
  document.documentElement.classList.toggle("framed", framed);

  const take = () => {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return;
    history.replaceState(null, "", location.pathname + location.search);
    panel.setAttribute("token", token);
  };
  addEventListener("hashchange", take);
  take();

  const theme = new URLSearchParams(location.search).get("theme");
  if (theme === "light" || theme === "dark") {
    panel.setAttribute("theme", theme);
    document.documentElement.style.colorScheme = theme;
  }

  if (!framed) return;
  // whoever may frame this page may hand it tokens; what it says to that page is no secret
  addEventListener("message", ({ source, data }) => {
    if (source === window.parent && data?.type === "twinmeter-token" && typeof data.token === "string") {
      panel.setAttribute("token", data.token);
    }
  });
  panel.addEventListener("twinmeter-token-expiring", (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    window.parent.postMessage({ type: "twinmeter-token-expiring", ...detail }, "*");
  });
})();
