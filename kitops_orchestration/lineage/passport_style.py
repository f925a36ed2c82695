"""The look of the passport page: one style sheet, light and dark, screen and paper."""

from __future__ import annotations

CSS = """
:root{--ink:#16202e;--soft:#5b6776;--faint:#8b96a5;--line:#e3e7ed;--edge:#bcc6d3;--paper:#fff;--ground:#f3f5f8;--accent:#0b6e69;
--accent-soft:#e2f3f1;--good:#12805c;--good-soft:#e3f5ed;--warn:#9a5b00;--warn-soft:#fdf1dc;--bad:#b3261e;
--bad-soft:#fbe9e7;--data:#2563a8;--base:#7447b8;--code:#4c5a6b;--run:#b2600c;--kit:#0b6e69;--vouch:#12805c;--place:#8a2f6b}
@media (prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#a3aebd;--faint:#7b8798;--line:#2c3644;--edge:#465365;
--paper:#1a222d;
--ground:#10161e;--accent:#4fc3b8;--accent-soft:#16332f;--good:#4cc38a;--good-soft:#15302a;--warn:#e5b35c;
--warn-soft:#352a16;--bad:#f28b82;--bad-soft:#3a1f1d;--data:#6ea8e8;--base:#b79aea;--code:#a3b1c2;--run:#e9a45b;
--kit:#4fc3b8;--vouch:#4cc38a;--place:#df8fc0}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 "Inter","Segoe UI",system-ui,-apple-system,
"Helvetica Neue",Arial,"Noto Sans",sans-serif}
main{max-width:1160px;margin:0 auto;padding:32px 24px 56px}
.sheet{background:var(--paper);border:1px solid var(--line);border-radius:14px;padding:28px 32px;margin:0 0 18px}
.over{margin:0;color:var(--accent);font-size:12px;font-weight:700;letter-spacing:.14em;text-transform:uppercase}
h1{margin:6px 0 4px;font-size:34px;line-height:1.15;letter-spacing:-.015em}
h1 .version{color:var(--accent);font-weight:600;padding-left:8px}
h2{margin:0 0 14px;font-size:18px;letter-spacing:-.005em}
h3{margin:20px 0 8px;font-size:14px;color:var(--soft);font-weight:600}
a{color:var(--accent);text-underline-offset:3px}
p{margin:0 0 10px}.lead{color:var(--soft);max-width:70ch;font-size:16px}
.note{color:var(--soft);font-size:13px}
code,.mono{font:12.5px/1.45 ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
.ref{display:inline-block;margin-top:6px;padding:5px 10px;border-radius:7px;background:var(--ground);color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin-top:22px}
.tile{border:1px solid var(--line);border-radius:10px;padding:13px 15px 12px;border-left:4px solid var(--faint)}
.tile b{display:block;font-size:15px}.tile span{color:var(--soft);font-size:13px}
.tile small{display:block;
color:var(--soft);font-size:11.5px;font-weight:600;letter-spacing:.06em;text-transform:uppercase}
.tile.good{border-left-color:var(--good)}.tile.bad{border-left-color:var(--bad)}.tile.warn{border-left-color:var(--warn)}
table{width:100%;border-collapse:collapse;font-size:13.5px}
th{text-align:left;
color:var(--soft);font-weight:600;font-size:12px;padding:0 14px 7px 0;border-bottom:1px solid var(--line);
white-space:nowrap}
td{padding:9px 14px 9px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}td:last-child,th:last-child{padding-right:0}
.name{font-weight:600;overflow-wrap:break-word}.annex td:nth-child(2){min-width:190px}
td code,td:first-child{white-space:nowrap}.nowrap{white-space:nowrap}
.chip{display:inline-block;padding:2px 9px;border-radius:99px;font-size:12px;font-weight:600;white-space:nowrap;
background:var(--ground);color:var(--soft)}
.chip.good{background:var(--good-soft);color:var(--good)}.chip.warn{background:var(--warn-soft);color:var(--warn)}
.chip.bad{background:var(--bad-soft);color:var(--bad)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:18px}.two>.sheet{margin-bottom:18px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:8px 18px;margin:0;font-size:13.5px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.metrics{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:14px}
.metric{border:1px solid var(--line);border-radius:10px;padding:13px 15px 8px}
.metric .value{font-size:25px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
.metric svg{max-height:170px}.metric .label{color:var(--soft);font-size:13px;font-weight:600}
svg{display:block;width:100%;height:auto}
.lineage .edge{fill:none;stroke:var(--edge);stroke-width:1.6}
.lineage .head{font-size:11px;font-weight:700;letter-spacing:.05em;fill:var(--faint)}
.lineage .card{fill:var(--paper);stroke:var(--line)}.lineage .bar{fill:var(--faint)}
.lineage .kind{font-size:10.5px;font-weight:600;fill:var(--soft)}
.lineage .title{font-size:13px;font-weight:650;fill:var(--ink)}
.lineage .detail{font-size:11px;fill:var(--soft)}
.lineage .data-behind .bar{fill:var(--data)}.lineage .data-behind .kind{fill:var(--data)}
.lineage .data .bar{fill:var(--data)}.lineage .data .kind{fill:var(--data)}
.lineage .base-model .bar{fill:var(--base)}.lineage .base-model .kind{fill:var(--base)}
.lineage .code .bar{fill:var(--code)}.lineage .code .kind{fill:var(--code)}
.lineage .run .bar{fill:var(--run)}.lineage .run .kind{fill:var(--run)}
.lineage .ModelKit .card{fill:var(--accent-soft);stroke:var(--kit)}.lineage .ModelKit .bar{fill:var(--kit)}
.lineage .ModelKit .kind{fill:var(--kit)}
.lineage .test .bar,.lineage .signature .bar,.lineage .approval .bar,.lineage .report .bar{fill:var(--vouch)}
.lineage .test .kind,.lineage .signature .kind,.lineage .approval .kind,.lineage .report .kind{fill:var(--vouch)}
.lineage .refused .bar{fill:var(--bad)}.lineage .refused .kind{fill:var(--bad)}
.lineage .place .bar{fill:var(--place)}.lineage .place .kind{fill:var(--place)}
.lineage .good{fill:var(--good)}.lineage .tick{fill:none;stroke:var(--paper);stroke-width:1.8;stroke-linecap:round}
.lineage .open{fill:none;stroke:var(--faint);stroke-width:1.4;stroke-dasharray:2.2 2.2}
.legend{display:flex;gap:20px;margin-top:12px;color:var(--soft);font-size:12.5px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:7px;vertical-align:-1px}
.legend .v{background:var(--good)}.legend .o{border:1.5px dashed var(--faint)}
.chart .area{fill:var(--accent-soft)}.chart .line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}
.chart .dot{fill:var(--paper);stroke:var(--accent);stroke-width:2}.chart .dot.mine{fill:var(--accent)}
.chart .bound-text{font-size:10.5px;fill:var(--warn)}
.chart .bound{stroke:var(--warn);stroke-width:1.2;stroke-dasharray:5 4}
.chart .label{font-size:10.5px;fill:var(--faint)}.chart .label.mine{fill:var(--ink);font-weight:700}
footer{color:var(--soft);font-size:12.5px;padding:4px 4px 0}
@media (max-width:860px){.tiles,.two{grid-template-columns:1fr 1fr}.two{display:block}h1{font-size:28px}
.sheet{padding:20px;overflow-x:auto}.lineage{min-width:860px}}
@media print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}.sheet{border:0;padding:0 0 14px;
break-inside:avoid-page}}
"""
