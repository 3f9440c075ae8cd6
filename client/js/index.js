// Reports an application's AI calls to a twinmeter server. What there is, and how it is used: index.d.ts, README.md.
export * from "./src/api.js";
