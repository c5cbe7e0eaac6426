-- Requests for wrk: a prepared text with a counter in its middle.
-- Arguments: file before the counter, file after it, digits, "same" or "distinct", first number.

local before, after, pattern, distinct, number

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(arguments)
  before, after = slurp(arguments[1]), slurp(arguments[2])
  pattern = "%0" .. arguments[3] .. "d"
  distinct = arguments[4] == "distinct"
  number = tonumber(arguments[5])
end

function request()
  if distinct then
    number = number + 1
  end
  return before .. string.format(pattern, number) .. after
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'SUMMARY {"requests":%d,"duration_us":%d,"errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
