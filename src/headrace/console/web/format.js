// Numbers as people read them. None of these ever throws: what is missing is a dash.

export const NONE = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export function count(value) {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return Math.round(value).toLocaleString("en-US");
}

export function rate(value) {
  if (!isNumber(value)) return NONE;
  if (value >= 100) return count(value);
  return value === 0 ? "0" : value.toFixed(value >= 10 ? 1 : 2);
}

export function share(value) {
  if (!isNumber(value)) return NONE;
  const percent = value * 100;
  // What is nearly all is not all.
  if (percent >= 99.95 && percent < 100) return `${Number(percent.toFixed(4))} %`;
  return `${percent.toFixed(percent === 0 || percent >= 99.95 ? 0 : 1)} %`;
}

export function usd(value) {
  if (!isNumber(value)) return NONE;
  if (value === 0) return "$0";
  if (Math.abs(value) < 0.01) return `$${value.toFixed(6).replace(/0+$/, "")}`;
  if (Math.abs(value) < 1) return `$${value.toFixed(4).replace(/0{1,2}$/, "")}`;
  return `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

export function ms(value) {
  if (!isNumber(value)) return NONE;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  if (value >= 1) return `${value.toFixed(1)} ms`;
  if (value === 0) return "0 ms";
  return `${(value * 1000).toFixed(0)} µs`;
}

export function ago(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function when(text) {
  const date = new Date(text);
  if (!text || Number.isNaN(date.getTime())) return NONE;
  const pad = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export function clock(seconds) {
  return when(seconds * 1000).slice(11);
}
