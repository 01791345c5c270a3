-- Sets an amount aside under every cap, or under none. One script at a time runs in Redis, so two
-- gateways never see the same money. Sent again, it finds its own work done.
-- KEYS: of each cap its balance (a hash of spent and reserved) and what is held (a sorted set of
-- "id:amount" by expiry). ARGV: id, amount, milliseconds until it counts as spent; then of each cap its
-- limit, the least that the caller knows to be spent, and how many seconds to keep it.
-- Returns the number of the cap that has no room, or 0; then spent and reserved of each.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local id, amount, lasts = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local member, done, answer = id .. ':' .. ARGV[2], false, {0}
for at = 1, #KEYS / 2 do
  local balance, held = KEYS[2 * at - 1], KEYS[2 * at]
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', held, '-inf', now, 'LIMIT', 0, 1000)) do
    local gone = string.match(late, ':(%d+)$')
    redis.call('ZREM', held, late)
    redis.call('HINCRBY', balance, 'reserved', '-' .. gone)
    redis.call('HINCRBY', balance, 'spent', gone)
  end
  local spent = tonumber(redis.call('HGET', balance, 'spent') or 0)
  local known = tonumber(ARGV[3 * at + 2])
  if spent < known then -- Redis lost what was spent, and the caller remembers
    spent = known
    redis.call('HSET', balance, 'spent', string.format('%.0f', spent))
  end
  local reserved = tonumber(redis.call('HGET', balance, 'reserved') or 0)
  if redis.call('ZSCORE', held, member) then
    done = true
  elseif answer[1] == 0 and spent + reserved + amount > tonumber(ARGV[3 * at + 1]) then
    answer[1] = at
  end
  answer[2 * at], answer[2 * at + 1] = spent, reserved
end
if answer[1] == 0 and not done then
  for at = 1, #KEYS / 2 do
    local balance, held = KEYS[2 * at - 1], KEYS[2 * at]
    redis.call('ZADD', held, now + lasts, member)
    answer[2 * at + 1] = redis.call('HINCRBY', balance, 'reserved', ARGV[2])
    redis.call('EXPIRE', balance, ARGV[3 * at + 3])
    redis.call('EXPIRE', held, ARGV[3 * at + 3])
  end
end
return answer
