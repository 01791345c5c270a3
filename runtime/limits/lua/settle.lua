-- Turns what is held under each cap into what was spent; what is no longer held stays as it is.
-- KEYS: as in reserve.lua. ARGV: "id:amount", amount, spent.
-- Returns spent and reserved of each.
local answer = {}
for at = 1, #KEYS / 2 do
  local balance, held = KEYS[2 * at - 1], KEYS[2 * at]
  if redis.call('ZREM', held, ARGV[1]) == 1 then
    redis.call('HINCRBY', balance, 'reserved', '-' .. ARGV[2])
    redis.call('HINCRBY', balance, 'spent', ARGV[3])
  end
  answer[2 * at - 1] = tonumber(redis.call('HGET', balance, 'spent') or 0)
  answer[2 * at] = tonumber(redis.call('HGET', balance, 'reserved') or 0)
end
return answer
