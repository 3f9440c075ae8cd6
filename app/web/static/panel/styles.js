// The looks of the panel. An application changes colours, type and corners by custom properties, and all else by parts.

const LIGHT = `
  --_text: var(--twinmeter-text, #171a21);
  --_muted: var(--twinmeter-muted, #596070);
  --_background: var(--twinmeter-background, #ffffff);
  --_track: var(--twinmeter-track, #e3e6eb);
  --_line: var(--twinmeter-line, #e3e6eb);
  --_accent: var(--twinmeter-accent, #4053d6);
  --_link: var(--twinmeter-link, #3647c0);
  --_near: var(--twinmeter-near, #8a5a00);
  --_over: var(--twinmeter-over, #bf2b3c);`;
const DARK = `
  --_text: var(--twinmeter-text-dark, #e7e9ee);
  --_muted: var(--twinmeter-muted-dark, #9aa3b3);
  --_background: var(--twinmeter-background-dark, #16191f);
  --_track: var(--twinmeter-track-dark, #272c36);
  --_line: var(--twinmeter-line-dark, #272c36);
  --_accent: var(--twinmeter-accent-dark, #6f81f7);
  --_link: var(--twinmeter-link-dark, #a3afff);
  --_near: var(--twinmeter-near-dark, #ecb84f);
  --_over: var(--twinmeter-over-dark, #ff8089);`;

export const CSS = `
:host {
  ${LIGHT}
  display: block;
  color-scheme: light;
  color: var(--_text);
  background: var(--_background);
  font: 0.875rem/1.45 var(--twinmeter-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  font-variant-numeric: tabular-nums;
  border-radius: var(--twinmeter-radius, 10px);
  padding: var(--twinmeter-padding, 16px);
  overflow-wrap: anywhere;
  text-align: start;
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) { ${DARK} color-scheme: dark; }
}
:host([theme="dark"]) { ${DARK} color-scheme: dark; }
h2, h3, h4, p, ul, dl, dd { margin: 0; padding: 0; font-size: inherit; }
ul { list-style: none; }
[hidden] { display: none !important; }
.head, .row, .foot { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 12px; }
h2 { font-size: 1.125rem; font-weight: 650; }
h3 { margin: 20px 0 8px; font-weight: 600; }
h4 { font-weight: 500; }
.muted, .note, .foot { color: var(--_muted); }
.note, .foot { font-size: 0.8125rem; }
a { color: var(--_link); }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; border-radius: 3px; }
li + li { margin-top: 14px; }
.bar {
  display: flex;
  height: var(--twinmeter-bar-height, 8px);
  margin: 5px 0;
  border-radius: 99px;
  overflow: hidden;
  background: var(--_track);
}
.fill { background: var(--_accent); }
.fill.some { min-width: 4px; }
.held {
  background: repeating-linear-gradient(135deg, var(--_accent) 0 2px, transparent 2px 5px);
}
.near .fill { background: var(--_near); }
.over .fill { background: var(--_over); }
.effect { color: var(--_over); font-weight: 600; }
.soft .effect { color: var(--_muted); font-weight: inherit; }
dl { display: flex; flex-wrap: wrap; gap: 8px 32px; }
dt { color: var(--_muted); font-size: 0.8125rem; }
dd { font-size: 1.125rem; font-weight: 600; }
summary { margin-top: 20px; font-weight: 600; cursor: pointer; }
.calls { margin-top: 8px; }
.calls li + li { margin-top: 8px; padding-top: 8px; border-top: 1px solid var(--_line); }
.foot { margin-top: 16px; padding-top: 10px; border-top: 1px solid var(--_line); }
.state { margin-top: 12px; }
@media (forced-colors: active) {
  .bar { border: 1px solid CanvasText; }
  .fill { background: Highlight; }
}
`;
