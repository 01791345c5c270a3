-- runtime/limits/gcra.py for several gateways at once. Redis runs scripts one at a time, and the time
-- is Redis' own, so that neither races nor the gateways' clocks matter.
-- KEYS: one a rate. ARGV: interval and tolerance of each, in microseconds.
-- Returns remaining, wait and reset of each.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer, arrivals, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local before = math.max(tonumber(redis.call('GET', key) or 0), now)
  local after = before + interval
  local wait = math.max(0, after - tolerance - now)
  if wait > 0 then
    refused = true
    answer[3 * i - 2], answer[3 * i - 1], answer[3 * i] = 0, wait, before - now
  else
    answer[3 * i - 2] = math.floor((now + tolerance - after) / interval)
    answer[3 * i - 1], answer[3 * i] = 0, after - now
  end
  arrivals[i] = after
end
if not refused then
  for i, key in ipairs(KEYS) do
    local lasts = math.ceil((arrivals[i] - now) / 1000)
    redis.call('SET', key, string.format('%.0f', arrivals[i]), 'PX', lasts)
  end
end
return answer
