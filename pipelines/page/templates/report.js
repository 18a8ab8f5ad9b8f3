"use strict";
(() => {
  const root = document.documentElement;
  const data = document.getElementById("charts");
  const charts = data ? JSON.parse(data.textContent) : {};
  const drawn = new Map();

  // What was chosen last time, where the browser keeps it (a file opened from disk may not).
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* not kept */ } };
  const recall = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;

  const compact = () => new Intl.NumberFormat(root.lang === "zh" ? "zh-CN" : "en", { notation: "compact", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const write = (value, kind) => {
    if (value === null || value === undefined) return "–";
    if (kind === "rate") return (100 * value).toFixed(1) + "%";
    if (kind === "number") return String(Number(Number(value).toPrecision(3)));
    return whole.format(value);
  };
  const short = (value, kind) => kind === "rate" ? Math.round(100 * value) + "%" : kind === "number" ? String(value) : compact().format(value);

  // Colours are names of the style sheet; labels that carry their own text say just that.
  const coloured = (node, colour) => {
    if (typeof node === "string") return node.replace(/var\((--[a-z0-9-]+)\)/, (_, name) => colour(name));
    if (Array.isArray(node)) return node.map((item) => coloured(item, colour));
    if (node && typeof node === "object") return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, coloured(value, colour)]));
    return node;
  };

  const ROOM = 34; // pixels of a cell that has room for its number

  const finish = (chart, width) => {
    const style = getComputedStyle(root);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [ink, dim, line, card] = ["--ink", "--dim", "--line", "--card"].map(colour);
    const option = coloured(chart.options[root.lang], colour);
    for (const side of ["xAxis", "yAxis"]) {
      const axis = option[side];
      if (!axis) continue;
      axis.axisLabel = { color: dim, hideOverlap: true, ...axis.axisLabel };
      if (axis.axisLabel.width) axis.axisLabel.width = Math.min(axis.axisLabel.width, 0.28 * width);
      axis.axisLine = { lineStyle: { color: line } };
      axis.axisTick = { show: false };
      axis.splitLine = { show: axis.type === "value", lineStyle: { color: line } };
      if (axis.type === "value") axis.axisLabel.formatter = (value) => short(value, chart.kind);
    }
    for (const series of option.series) {
      if (series.type === "heatmap") {
        series.label = { show: (width - 120) / option.xAxis.data.length >= ROOM, color: ink, formatter: (cell) => cell.data.text };
        series.itemStyle = { borderColor: card, borderWidth: 2 };
      }
      if (series.type === "sankey") {
        series.label = { color: ink, formatter: (node) => node.data.text };
      }
    }
    const texts = Object.fromEntries(option.series.flatMap((series) => series.type === "sankey" ? series.data.map((node) => [node.name, node.text]) : []));
    const tell = (item) => {
      if (item.data && item.data.source) return `${texts[item.data.source]} → ${texts[item.data.target]}: ${write(item.value, chart.kind)}`;
      if (item.data && item.data.text) return item.name in texts ? `${item.data.text}: ${write(item.value, chart.kind)}` : `${item.name}: ${item.data.text}`;
      return item.name;
    };
    option.tooltip = {
      ...option.tooltip, renderMode: "richText", confine: true, backgroundColor: card, borderColor: line,
      textStyle: { color: ink }, valueFormatter: (value) => write(value, chart.kind),
      ...(option.tooltip.trigger === "item" ? { formatter: tell } : {}),
    };
    if (option.legend) Object.assign(option.legend, { textStyle: { color: ink }, pageTextStyle: { color: dim }, pageIconColor: dim, inactiveColor: line });
    return {
      animation: false,
      color: ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"].map(colour),
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { left: 4, right: 18, top: option.legend ? 36 : 8, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      ...option,
    };
  };

  const draw = (place) => {
    const name = place.dataset.chart;
    const picture = drawn.get(place) || echarts.init(place, null, { renderer: "canvas" });
    drawn.set(place, picture);
    picture.setOption(finish(charts[name], place.clientWidth), true);
  };
  const redraw = () => drawn.forEach((_, place) => draw(place));

  const speak = (language) => { root.lang = language; redraw(); };
  const light = (theme) => { root.dataset.theme = theme; redraw(); };
  const does = {
    language: () => { speak(root.lang === "en" ? "zh" : "en"); remember("c360-language", root.lang); },
    theme: () => { light(isDark() ? "light" : "dark"); remember("c360-theme", root.dataset.theme); },
  };
  document.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => does[button.dataset.do]()));
  root.lang = recall("c360-language") || (navigator.language.startsWith("zh") ? "zh" : "en");
  const theme = recall("c360-theme");
  if (theme) root.dataset.theme = theme;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // Charts are drawn when they come near the window, and all of them before printing.
  const places = [...document.querySelectorAll("[data-chart]")];
  const watcher = new IntersectionObserver((seen) => seen.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
    watcher.unobserve(target);
    draw(target);
  }), { rootMargin: "400px" });
  places.forEach((place) => {
    place.style.height = place.className.match(/height-(\d+)/)[1] + "px";
    watcher.observe(place);
    new ResizeObserver(() => {
      if (!drawn.has(place)) return;
      drawn.get(place).resize();
      draw(place);
    }).observe(place);
  });
  addEventListener("beforeprint", () => places.forEach(draw));
  root.dataset.ready = "yes";
})();
