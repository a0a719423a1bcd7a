-- One request, sent again and again; at the end the figures as JSON.
-- Arguments: method, a file with the bearer token, a file with the body (empty for none).

local function content(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  wrk.method = args[1]
  wrk.headers["Authorization"] = "Bearer " .. content(args[2])
  local body = content(args[3])
  if body ~= "" then
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = body
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, '
      .. '"p50": %f, "p90": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3
  ))
end
