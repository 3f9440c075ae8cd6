// The API reference: Swagger UI over this server's own description.

const { dataset } = document.documentElement;
const themed = () => document.documentElement.classList.toggle("dark-mode", dataset.theme === "dark");
document.addEventListener("twinmeter:theme", themed);
themed();

const { SwaggerUIBundle } = /** @type {any} */ (globalThis);
SwaggerUIBundle({
  url: document.getElementById("docs")?.dataset.description,
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  defaultModelsExpandDepth: -1,
  tryItOutEnabled: false,
  displayRequestDuration: true,
  validatorUrl: null, // nothing is asked of anybody else
});
