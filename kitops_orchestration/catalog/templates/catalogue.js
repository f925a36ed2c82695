/* Search, copying, the filter of a table, and the comparison of any two versions. Text goes in by textContent alone. */
(function () {
  "use strict";
  var doc = document, field = doc.getElementById("q"), hits = doc.getElementById("hits"), rows = null, versions = {};
  var root = field.dataset.root, loading = false;
  doc.documentElement.classList.add("js");

  function make(name, text) {
    var node = doc.createElement(name);
    if (text !== undefined) node.textContent = text;
    return node;
  }
  function load(address, failed) { // a page from a disk may not fetch(), and may load a script that is beside it
    var node = make("script");
    node.src = address;
    if (failed) node.onerror = failed;
    doc.head.append(node);
  }
  function folded(text) { return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase(); }

  doc.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    function done() { button.setAttribute("aria-label", "Copied"); button.title = "Copied"; }
    if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(button.dataset.copy).then(done);
    else {
      var area = make("textarea", button.dataset.copy);
      doc.body.append(area); area.select(); doc.execCommand("copy"); area.remove(); done();
    }
  });

  var old = doc.getElementById("old"), days = Math.floor((Date.now() - Date.parse(old.dataset.made)) / 864e5);
  if (days >= 2) { old.textContent = "This catalog is " + days + " days old. Verdicts may have changed since."; old.hidden = false; }

  window.catalogue = {
    index: function (found) {
      rows = found.map(function (row) {
        // What is shown of a version ends with the beginning of its digest, and the last of the row is the rest of that.
        var rest = (row[0] === "version" ? "" : " ") + (row[4] || "");
        return { row: row, text: folded(row[1] + " " + row[2] + rest), name: folded(row[1]) };
      });
      show();
    },
    version: function (digest, facts) { versions[digest] = facts; compare(); }
  };

  function rank(item, words) {
    var sum = 0;
    for (var word of words) {
      var at = item.text.indexOf(word);
      if (at < 0) return -1;
      sum += item.name.startsWith(word) ? 0 : item.name.includes(word) ? 1 : /\w/.test(item.text[at - 1] || " ") ? 3 : 2;
    }
    return sum;
  }
  function show() {
    var words = folded(field.value).split(/@?sha(?:256|512):|\s+/).filter(Boolean);
    hits.replaceChildren();
    hits.hidden = !words.length;
    if (!words.length || !rows) return;
    var found = rows.map(function (item) { return { row: item.row, rank: rank(item, words) }; })
      .filter(function (item) { return item.rank >= 0; }).sort(function (a, b) { return a.rank - b.rank; });
    var count = make("p", found.length + (found.length === 1 ? " result" : " results"));
    count.setAttribute("role", "status");
    hits.append(count);
    found.slice(0, 12).forEach(function (item) {
      var link = make("a");
      link.href = root + item.row[3];
      link.append(make("i", item.row[0]), make("b", item.row[1]), make("small", item.row[2]));
      hits.append(link);
    });
  }
  function want() { if (!loading) { loading = true; load(root + "search-index.js"); } }
  field.addEventListener("focus", want);
  field.addEventListener("input", function () { want(); show(); });
  field.form.addEventListener("submit", function (event) {
    event.preventDefault();
    var first = hits.querySelector("a");
    if (first) first.click();
  });
  doc.addEventListener("keydown", function (event) {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(doc.activeElement.tagName)) { event.preventDefault(); field.focus(); }
    if (hits.hidden) return;
    if (event.key === "Escape") { hits.hidden = true; field.focus(); }
    var step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    var all = [field].concat(Array.from(hits.querySelectorAll("a"))), at = all.indexOf(doc.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    all[(at + step + all.length) % all.length].focus();
  });

  var filter = doc.getElementById("filter");
  if (filter) {
    var bar = filter.closest(".filter"), lines = Array.from(doc.querySelectorAll("#events tbody tr"));
    var chosen = function (name) { return doc.getElementById("filter-" + name).value; };
    bar.hidden = false;
    bar.addEventListener("input", function () {
      var words = folded(filter.value).split(/\s+/).filter(Boolean), left = 0;
      var kind = chosen("kind"), trust = chosen("trust"), from = chosen("from"), until = chosen("until");
      lines.forEach(function (row) {
        var text = folded(row.textContent), has = row.dataset;
        var is = words.every(function (word) { return text.includes(word); }) && (!kind || has.kind === kind) &&
          (!trust || has.trust === trust) && (!from || has.day >= from) && (!until || (has.day && has.day <= until));
        row.hidden = !is;
        left += is;
      });
      doc.getElementById("left").textContent = left + (left === 1 ? " event" : " events");
    });
    doc.getElementById("filter-csv").addEventListener("click", function () {
      var heads = Array.from(doc.querySelectorAll("#events thead th")).map(function (cell) { return cell.textContent; });
      var table = [heads].concat(lines.filter(function (row) { return !row.hidden; }).map(function (row) {
        return Array.from(row.cells).map(function (cell) {
          var time = cell.querySelector("time");
          return time ? time.dateTime : cell.textContent.trim().replace(/\s+/g, " ");
        });
      }));
      var link = make("a");
      link.download = doc.title.split(" \u00b7 ")[0].replace(/[^\w-]+/g, "-").toLowerCase() + ".csv";
      link.href = URL.createObjectURL(new Blob([table.map(function (line) { return line.map(csvCell).join(",") + "\r\n"; }).join("")],
        { type: "text/csv" }));
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
  function csvCell(text) { // what a spreadsheet would take for a formula begins with an apostrophe
    return '"' + (/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replace(/"/g, '""') + '"';
  }

  var place = doc.getElementById("compare"), wanted = null;
  if (place) {
    var asked = new URLSearchParams(location.search);
    wanted = ["a", "b"].map(function (side) { return asked.get(side) || place.dataset[side]; });
    if (wanted.every(function (digest) { return /^sha(256|512):[0-9a-f]+$/.test(digest); }))
      wanted.forEach(function (digest) {
        load("v/" + digest.replace(":", "-") + ".js", function () { place.textContent = "There is no version " + digest + " here."; });
      });
    else place.textContent = "Choose two versions on the page of the model.";
  }
  // A fact is a text, or what is shown of it and what is compared: whole numbers and rounded ones are texts, too.
  function shown(value) { return value === undefined ? "" : Array.isArray(value) ? value[0] : value; }
  function exact(value) { return value === undefined ? "" : Array.isArray(value) ? value[1] : JSON.stringify(value); }
  function table(title, heads, lines) {
    var section = make("section"), panel = make("div"), grid = make("table"), head = make("tr"), bar = make("div"), body = make("tbody");
    bar.className = "bar"; panel.className = "panel"; grid.className = "tight";
    bar.append(make("h2", title));
    heads.forEach(function (text) { var cell = make("th", text); cell.scope = "col"; head.append(cell); });
    var top = make("thead"); top.append(head);
    lines.forEach(function (line) {
      var row = make("tr");
      line.forEach(function (text, at) { var cell = make(at ? "td" : "th", text); if (!at) cell.scope = "row"; row.append(cell); });
      body.append(row);
    });
    grid.append(make("caption", title), top, body);
    var scroll = make("div"); scroll.className = "scroll"; scroll.tabIndex = 0; scroll.append(grid);
    panel.append(scroll); section.append(bar, panel);
    return section;
  }
  function pairs(one, two) { // names of either, with both values, those that differ
    var left = new Map(one), right = new Map(two), lines = [], same = 0;
    Array.from(new Set([...left.keys(), ...right.keys()])).sort().forEach(function (name) {
      var a = left.get(name), b = right.get(name);
      if (exact(a) === exact(b)) { same += 1; return; }
      var show = shown(a) === shown(b) ? exact : shown; // nobody sees a difference in what is rounded
      lines.push([name, show(a), show(b)]);
    });
    return { lines: lines, same: same };
  }
  function compare() {
    if (!wanted || !versions[wanted[0]] || !versions[wanted[1]]) return;
    var one = versions[wanted[0]], two = versions[wanted[1]], parts = [], title = one.name + " → " + two.name;
    place.replaceChildren();
    doc.getElementById("pair").textContent = title;
    [["Metrics", "metrics", "metric"], ["Parts", "layers", "part"], ["Files", "files", "file"], ["Made from", "data", "from"],
      ["Parameters", "parameters", "parameter"], ["Kitfile", "fields", "field"]].forEach(function (kind) {
      var found = pairs(one[kind[1]], two[kind[1]]);
      if (found.lines.length) parts.push(table(kind[0], [kind[2], one.name, two.name], found.lines));
      if (found.same) parts.push(make("p", kind[0] + " that are the same in both: " + found.same + "."));
    });
    if (!parts.length) parts.push(make("p", "No difference."));
    place.append.apply(place, parts);
  }
})();
