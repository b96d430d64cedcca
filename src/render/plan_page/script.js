'use strict';
// The plan as it was made; `model` does the same sums for other numbers. On load both must agree.
const plan = JSON.parse(document.getElementById('plan').textContent);
const DAY = 86400, MONTH = 30, CHUNK = 1048576;
const COLORS = { 'do-rows-written': '#d1495b', 'do-rows-read': '#e8a0a8', 'do-storage': '#edae49', 'do-requests': '#66829e',
  'do-duration': '#9bb1c6', 'pipeline-ingress': '#88c9a1', 'pipeline-sink-json': '#3a8f5f', 'r2-storage': '#7d5ba6', 'r2-class-a': '#b08bd0' };
const NAMES = { 'do-rows-written': 'rows written', 'do-rows-read': 'rows read', 'do-storage': 'object storage', 'do-requests': 'requests',
  'do-duration': 'duration', 'pipeline-ingress': 'Pipeline in', 'pipeline-sink-json': 'Pipeline sink', 'r2-storage': 'R2 storage', 'r2-class-a': 'R2 writes' };

const prices = {};
for (const alternative of plan.alternatives) for (const item of alternative.items) prices[item.item] = item;
const limitBytes = name => { const found = plan.forecasts.find(one => one.limit === name); return found ? found.limit_bytes : Infinity; };

function item(name, amount) {
  const price = prices[name];
  const rounded = Math.ceil(amount);
  const units = Math.ceil(Math.max(0, rounded - price.included) / price.unit_amount);
  return { item: name, amount: rounded, usd: units * price.usd_per_unit };
}
function distinct(writes, entries) {
  if (entries < 1 || writes <= 0) return Math.max(0, writes);
  return Math.min(writes, entries * (1 - Math.exp(writes * Math.log1p(-1 / entries))));
}
const entryBytes = d => (d.key_bytes + d.value_bytes + 50) * 1.2;
const sizes = (d, entries) => {
  const raw = Math.trunc(entries) * (d.key_bytes + d.value_bytes + 50) * 1.2;
  return { raw: Math.ceil(raw), compressed: Math.ceil(raw * d.compression_ratio) };
};

// Checkpoints a second, by the first threshold of a profile.
const perSecond = (d, profile) => Math.min(d.writes_per_second, Math.max(1000 / profile.interval_ms, d.writes_per_second / profile.events,
  d.writes_per_second * Math.ceil(entryBytes(d)) / profile.bytes));

function model(d) {
  const { raw, compressed } = sizes(d, d.entries);
  const event = Math.ceil(entryBytes(d)), active = d.active_percent / 100;
  const checkpoints = perSecond(d, d.profile) * DAY * active, writes = d.writes_per_second * DAY * active;
  const changed = checkpoints > 0 ? distinct(writes / checkpoints, d.entries) : 0;
  const monthly = daily => daily * MONTH * d.objects;
  const seconds = DAY * MONTH * active * d.objects;
  const delta = Math.min(compressed, changed * event * d.compression_ratio), deltas = d.compaction.files_min;
  const pipeline = monthly(writes * event), collections = Math.max(1, d.operators);
  const rows = bytes => Math.max(1, Math.ceil(bytes / CHUNK)), packs = bytes => Math.max(1, Math.ceil(bytes / d.pack_bytes));
  const chunkRows = rows(compressed) + 1;
  const kept = d.checkpoints_per_day * d.retention_days, keptBytes = compressed * (2 + kept);
  const deltasBytes = 2 * compressed + deltas * delta + kept * compressed * d.changed_percent / 100;
  const noMemory = raw > limitBytes('memory'), rejected = raw >= limitBytes('state-rejected'), overflow = raw >= limitBytes('state-r2');
  const made = {};
  const add = (name, month, piped, impossible) => {
    const items = [item('do-rows-written', month.rows || 0), item('do-rows-read', month.read || 0), item('do-storage', month.object || 0),
      item('do-requests', (d.writes_per_second + d.reads_per_second) * seconds), item('do-duration', seconds * 0.128)];
    if (piped) items.push(item('pipeline-ingress', pipeline), item('pipeline-sink-json', pipeline));
    if (month.puts !== undefined) items.push(item('r2-storage', month.r2 || 0), item('r2-class-a', month.puts || 0));
    made[name] = { name, items, usd: items.reduce((sum, one) => sum + one.usd, 0), impossible };
  };
  add('every-write', { rows: monthly(writes), read: monthly(d.reads_per_second * DAY * active), object: raw * d.objects }, false, false);
  add('lazy-rows', { rows: monthly(checkpoints * changed), object: raw * d.objects }, true, noMemory);
  add('lazy-columnar', { rows: monthly(checkpoints * Math.min(collections, Math.ceil(changed))), object: raw * d.objects }, true,
    Math.floor(d.entries / collections) >= 1000 || raw / collections > limitBytes('row') || noMemory);
  const outside = rejected || overflow || noMemory, full = outside || keptBytes > limitBytes('object');
  add('object-row', { rows: monthly(checkpoints * 2), object: keptBytes * d.objects }, true,
    full || compressed >= limitBytes('one-row') || raw >= limitBytes('state-chunks'));
  add('object-chunks', { rows: monthly(checkpoints * 2 * chunkRows), object: keptBytes * d.objects }, true, full);
  add('object-incremental', { rows: monthly(checkpoints * 2 * (rows(delta) + 1 + chunkRows / deltas)),
    object: deltasBytes * d.objects }, true, outside || deltasBytes > limitBytes('object'));
  add('r2-full', { rows: monthly(checkpoints), r2: keptBytes * d.objects, puts: monthly(checkpoints * (packs(compressed) + 1)) },
    true, rejected || noMemory);
  add('r2-incremental', { rows: monthly(checkpoints), r2: deltasBytes * d.objects,
    puts: monthly(checkpoints * (packs(delta) + 1 + (packs(compressed) + 1) / deltas)) }, true, rejected || noMemory);
  return made;
}

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const SVG = 'http://www.w3.org/2000/svg';
const shape = (name, attributes, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const size = bytes => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  while (bytes >= 999.5 && unit < 5) { bytes /= 1000; unit++; }
  return `${unit === 0 ? Math.round(bytes) : bytes.toPrecision(3)} ${units[unit]}`;
};
const count = number => Math.round(number).toLocaleString('en-US');
const usd = number => number.toLocaleString('en-US', { style: 'currency', currency: 'USD' });
const duration = ms => ms < 1000 ? `${Math.ceil(ms)} ms` : ms < 60000 ? `${+(ms / 1000).toFixed(1)} s` : `${+(ms / 60000).toFixed(1)} min`;
const row = (tag, cells) => element('tr', {}, ...cells.map(cell => {
  const [text, kind] = Array.isArray(cell) ? cell : [cell, ''];
  return element(tag, kind ? { class: kind } : {}, text);
}));

const now = structuredClone(plan.design);
const days = (allowed, actual, daily) => actual > allowed ? 0 : daily > 0 ? (allowed - actual) / daily : Infinity;
const showDays = number => number <= 0 ? 'passed' : number < 36525 ? (number < 10 ? number.toFixed(1) : count(Math.floor(number))) : number < Infinity ? '> 100 years' : 'never';

function limits(d) {
  const { raw, compressed } = sizes(d, d.entries), event = Math.ceil(entryBytes(d));
  const daily = event * d.growth_per_day;
  const actual = { 'one-row': compressed, row: compressed, object: raw + compressed, 'cache-dirty': null };
  const growth = { 'one-row': daily * d.compression_ratio, row: daily * d.compression_ratio, object: daily * (1 + d.compression_ratio) };
  const restored = bytes => bytes * 1000 / d.restore_bytes_per_second;
  return plan.forecasts.filter(one => one.limit_per_second === undefined && one.limit !== 'cache-dirty').map(one => {
    if (one.limit_ms !== undefined) return { ...one, shown: [duration(restored(raw)), duration(one.limit_ms)], days: days(one.limit_ms, restored(raw), restored(daily)) };
    const has = actual[one.limit] ?? raw, per = growth[one.limit] ?? daily;
    return { ...one, shown: [size(has), size(one.limit_bytes)], days: days(one.limit_bytes, has, per) };
  }).sort((a, b) => a.days - b.days);
}

// As wide as the place it is for, so that its text has the size of all text.
const room = id => Math.min(Math.max(document.getElementById(id).clientWidth || 640, 280), 900);

function drawGrowth(d, found) {
  const width = room('growth'), height = 320, left = 58, right = 108, top = 12, bottom = 30;
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Size of an object over two years against its limits' });
  const span = 730, points = 60;
  const series = [['raw', '#0b62c4', s => s.raw], ['compressed', '#3a8f5f', s => s.compressed]];
  const at = day => sizes(d, d.entries + d.growth_per_day * day);
  const most = Math.max(at(span).raw, 2e10), least = Math.max(1, Math.min(at(0).compressed, 1e5) / 2);
  const x = day => left + (width - left - right) * day / span;
  const y = bytes => top + (height - top - bottom) * (1 - (Math.log(Math.max(bytes, least)) - Math.log(least)) / (Math.log(most) - Math.log(least)));
  for (let power = Math.ceil(Math.log10(least)); power <= Math.log10(most); power++) {
    const line = y(10 ** power);
    svg.append(shape('line', { x1: left, x2: width - right, y1: line, y2: line, class: 'grid' }));
    svg.append(shape('text', { x: left - 6, y: line + 4, 'text-anchor': 'end', class: 'soft' }, size(10 ** power)));
  }
  for (let day = 0; day <= span; day += width < 500 ? 365 : 182.5) svg.append(shape('text', { x: x(day), y: height - 8, 'text-anchor': 'middle', class: 'soft' }, day === 0 ? 'today' : `day ${Math.round(day)}`));
  let last = height;
  for (const one of found.filter(one => one.limit_bytes !== undefined).sort((a, b) => a.limit_bytes - b.limit_bytes)) {
    const line = y(one.limit_bytes);
    svg.append(shape('line', { x1: left, x2: width - right, y1: line, y2: line, class: 'limit' }));
    // Limits near each other: the label goes up until it is free.
    last = Math.min(line, last - 11);
    svg.append(shape('text', { x: width - right + 4, y: last + 4, class: 'soft' }, one.limit));
  }
  for (const [name, color, of] of series) {
    const path = Array.from({ length: points + 1 }, (_, point) => span * point / points).map((day, point) => `${point ? 'L' : 'M'}${x(day).toFixed(1)},${y(of(at(day))).toFixed(1)}`).join('');
    svg.append(shape('path', { d: path, fill: 'none', stroke: color, 'stroke-width': 2.5 }));
    svg.append(shape('text', { x: x(span) - 4, y: y(of(at(span))) - 6, 'text-anchor': 'end', style: `fill:${color};font-weight:600` }, name));
  }
  document.getElementById('growth').replaceChildren(svg);
}

function drawCost(made) {
  const list = plan.alternatives.map(one => made[one.name]);
  const width = room('cost'), bar = 30, left = 130, right = 96, height = list.length * bar + 8;
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Cost of a month by alternative' });
  const most = Math.max(...list.map(one => one.usd), 0.01);
  const possible = list.filter(one => !one.impossible);
  const best = possible.reduce((least, one) => !least || one.usd < least.usd ? one : least, null);
  list.forEach((one, place) => {
    const y = place * bar + 6;
    svg.append(shape('text', { x: left - 8, y: y + 14, 'text-anchor': 'end', class: one.impossible ? 'soft' : '' }, one.name));
    let x = left;
    for (const part of one.items) {
      const wide = (width - left - right) * part.usd / most;
      if (wide <= 0) continue;
      const rect = shape('rect', { x, y, width: Math.max(wide, 0.5), height: bar - 10, fill: COLORS[part.item], opacity: one.impossible ? 0.3 : 1 });
      rect.append(shape('title', {}, `${NAMES[part.item]}: ${usd(part.usd)}`));
      svg.append(rect);
      x += wide;
    }
    const text = one.impossible ? 'not possible' : usd(one.usd) + (one === best ? ' ★' : '');
    svg.append(shape('text', { x: x + 6, y: y + 14, class: one.impossible ? 'soft' : '' }, text));
  });
  document.getElementById('cost').replaceChildren(svg);
  document.getElementById('cheapest').textContent = best ? `Cheapest that is possible: ${best.name}, ${usd(best.usd)} for ${count(now.objects)} objects.` : 'Nothing is possible.';
  const used = new Set(list.flatMap(one => one.items.filter(part => part.usd > 0).map(part => part.item)));
  document.getElementById('legend').replaceChildren(...[...used].flatMap(name => [element('span', { class: 'entry' }, element('span', { class: 'key', style: `background:${COLORS[name]}` }), NAMES[name]), ' ']));
  const head = row('th', ['', ...list.map(one => [one.name, 'number'])]);
  const lines = Object.keys(NAMES).filter(name => list.some(one => one.items.some(part => part.item === name))).map(name =>
    row('td', [NAMES[name], ...list.map(one => { const part = one.items.find(part => part.item === name); return [part ? usd(part.usd) : '–', 'number']; })]));
  document.getElementById('bill').replaceChildren(head, ...lines, row('td', ['all', ...list.map(one => [usd(one.usd), 'number'])]));
}

// What the emitter holds back: 60 s, 1,000 events or 1 MiB, whichever comes first.
const held = d => d.writes_per_second <= 0 ? 0 : Math.min(60000, 1e6 / d.writes_per_second, CHUNK * 1000 / (d.writes_per_second * Math.ceil(entryBytes(d))));
const since = (d, profile) => d.writes_per_second <= 0 ? 0 : Math.min(profile.interval_ms, 1000 / perSecond(d, profile));
function drawRecovery(d) {
  const groups = new Map();
  for (const one of plan.alternatives) groups.set(one.loses, [...(groups.get(one.loses) ?? []), one]);
  const lost = all => all.some(one => one.recovery_point_ms > 0) ? duration(held(d)) : '0';
  document.getElementById('recovery').replaceChildren(row('th', ['alternative', ['up to', 'number'], 'what']),
    ...[...groups].map(([loses, all]) => row('td', [all.map(one => one.name).join(', '), [lost(all), 'number'], loses])),
    ...plan.profiles.checkpoint.map(one => row('td', [`${one.name}, without a Pipeline`, [duration(since(d, one)), 'number'], 'everything since the last checkpoint'])));
}

function draw() {
  const made = model(now), found = limits(now), today = sizes(now, now.entries);
  document.getElementById('summary').textContent = `${count(now.objects)} ${now.objects === 1 ? 'object' : 'objects'} with ${count(now.entries)} ${now.entries === 1 ? 'entry' : 'entries'} each: raw ${size(today.raw)}, compressed ${size(today.compressed)}; ` +
    `${count(now.writes_per_second)} writes a second, ${count(now.growth_per_day)} more entries a day, checkpoints ${now.profile.name}.`;
  const hard = found.filter(one => ['object', 'memory', 'cache-hard', 'restore-window', 'state-rejected'].includes(one.limit) && one.days < Infinity);
  document.getElementById('first').textContent = hard.length ? `First to break: ${hard[0].limit}, ${hard[0].days <= 0 ? 'passed already' : 'in ' + (hard[0].days < 36525 ? showDays(hard[0].days) + ' days' : 'more than 100 years')}; past it ${hard[0].then}.` : 'No limit that breaks something is ever met.';
  document.getElementById('limits').replaceChildren(row('th', ['limit', ['today', 'number'], ['allowed', 'number'], ['days', 'number'], 'then']),
    ...found.map(one => row('td', [[one.limit, one.days <= 0 ? 'bad' : one.days < 90 ? 'warn' : ''], [one.shown[0], 'number'], [one.shown[1], 'number'], [showDays(one.days), 'number'], one.then])));
  drawGrowth(now, found);
  drawCost(made);
  drawRecovery(now);
  return made;
}

// Sliders move by powers: one position is one step of a logarithm.
const steps = [['objects', 'Objects', 1, 1e6], ['entries', 'Entries in an object', 1, 1e8], ['value_bytes', 'Bytes of a value', 1, 1e5],
  ['growth_per_day', 'More entries a day', 0, 1e6], ['writes_per_second', 'Writes a second', 0, 1e4], ['active_percent', 'Active, % of the time', 0, 100]];
function sliders() {
  const form = document.getElementById('sliders');
  form.replaceChildren();
  for (const [name, title, least, most] of steps) {
    const linear = most === 100, top = linear ? 100 : 1000;
    const toNumber = place => linear ? place : place <= 0 ? least : Number((10 ** (Math.log10(least || 0.01) + (Math.log10(most) - Math.log10(least || 0.01)) * place / top)).toPrecision(2));
    const toPlace = number => linear ? number : number <= least ? 0 : Math.round(top * (Math.log10(number) - Math.log10(least || 0.01)) / (Math.log10(most) - Math.log10(least || 0.01)));
    const shown = element('output', {}, now[name].toLocaleString('en-US', { maximumFractionDigits: 1 }));
    const input = element('input', { type: 'range', min: 0, max: top, value: toPlace(now[name]), name, 'aria-label': title });
    input.addEventListener('input', () => {
      const number = toNumber(Number(input.value));
      now[name] = ['objects', 'entries'].includes(name) ? Math.round(number) : number;
      shown.textContent = now[name].toLocaleString('en-US', { maximumFractionDigits: 2 });
      draw();
    });
    form.append(element('label', {}, element('span', {}, title, shown), input));
  }
  const choices = element('select', { name: 'profile', 'aria-label': 'Checkpoints' }, ...plan.profiles.checkpoint.map(one => {
    const option = element('option', { value: one.name }, `${one.name}: ${count(one.events)} events, ${one.interval_ms / 1000} s, ${size(one.bytes)}`);
    if (one.name === now.profile.name) option.selected = true;
    return option;
  }));
  choices.addEventListener('change', () => { now.profile = plan.profiles.checkpoint.find(one => one.name === choices.value); draw(); });
  form.append(element('label', {}, element('span', {}, 'Checkpoints'), choices));
}

function once() {
  const fleet = plan.partitions.fleet;
  document.getElementById('partitions').replaceChildren(row('th', ['', ['partitions', 'number'], ['data', 'number'], ['topology', 'number'], ['filter', 'number']]),
    row('td', ['this fleet', [count(fleet.holding + fleet.forwarding), 'number'], [size(fleet.data_bytes), 'number'], [size(fleet.topology_bytes), 'number'], [size(fleet.filter_bytes), 'number']]),
    ...plan.partitions.references.map(one => row('td', ['for scale', [count(one.partitions), 'number'], [size(one.data_bytes), 'number'], [size(one.topology_bytes), 'number'], [size(one.filter_bytes), 'number']])));
  if (plan.trace) drawTrace();
}

function drawTrace() {
  document.getElementById('trace-section').hidden = false;
  const trace = plan.trace, best = trace.best;
  document.getElementById('trace-summary').textContent = `${count(trace.events)} events of ${count(trace.keys)} entities. ` + (best ?
    `The least that loses ${duration(trace.recovery_point_ms)} or less: every ${duration(best.interval_ms)}, at ${count(best.dirty_count)} entries or ${size(best.dirty_bytes)}; ${count(best.rows_written)} rows.` : 'No setting loses so little.');
  const width = room('trace'), height = 280, left = 70, bottom = 34, right = 24, top = 32;
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Rows written against what a stop loses, of each setting' });
  const mostX = Math.max(...trace.outcomes.map(one => one.recovery_point_ms), 1), mostY = Math.max(...trace.outcomes.map(one => one.rows_written), 1);
  const x = ms => left + (width - left - right) * ms / mostX, y = rows => top + (height - top - bottom) * (1 - rows / mostY);
  const parts = width < 500 ? 2 : 4;
  for (let part = 0; part <= parts; part++) {
    svg.append(shape('line', { x1: left, x2: width - right, y1: y(mostY * part / parts), y2: y(mostY * part / parts), class: 'grid' }));
    svg.append(shape('text', { x: left - 6, y: y(mostY * part / parts) + 4, 'text-anchor': 'end', class: 'soft' }, count(mostY * part / parts)));
    svg.append(shape('text', { x: x(mostX * part / parts), y: height - 14, 'text-anchor': 'middle', class: 'soft' }, duration(mostX * part / parts)));
  }
  for (const one of trace.outcomes) {
    const chosen = best && one.interval_ms === best.interval_ms && one.dirty_count === best.dirty_count && one.dirty_bytes === best.dirty_bytes;
    const dot = shape('circle', { cx: x(one.recovery_point_ms), cy: y(one.rows_written), r: chosen ? 8 : 4, fill: chosen ? '#3a8f5f' : '#66829e', opacity: 0.8 });
    dot.append(shape('title', {}, `every ${duration(one.interval_ms)}, ${count(one.dirty_count)} entries, ${size(one.dirty_bytes)}: ${count(one.rows_written)} rows, loses ${duration(one.recovery_point_ms)}`));
    svg.append(dot);
  }
  svg.append(shape('text', { x: width - right, y: height - 2, 'text-anchor': 'end', class: 'soft' }, 'lost at most →'), shape('text', { x: left - 6, y: 12, 'text-anchor': 'end', class: 'soft' }, '↑ rows'));
  document.getElementById('trace').replaceChildren(svg);
}

sliders();
once();
const first = draw();
const agrees = plan.alternatives.every(one => Math.abs(first[one.name].usd - one.usd_per_month) < 0.02 + one.usd_per_month * 1e-6 && first[one.name].impossible === (one.impossible !== null));
document.body.dataset.agrees = String(agrees);
document.getElementById('reset').addEventListener('click', () => { Object.assign(now, structuredClone(plan.design)); sliders(); draw(); });
let drawn = 0;
addEventListener('resize', () => { cancelAnimationFrame(drawn); drawn = requestAnimationFrame(() => { draw(); if (plan.trace) drawTrace(); }); });
