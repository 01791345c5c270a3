"""What has to happen in Redis as a whole. Each script may be repeated: the second time it finds
its own work done and says the same.

Times are those of the Redis server, so that gateways need not agree on the clock.
"""

#: KEYS: session, turns, keys, facts, tombstone. ARGV: token, lease in ms, idempotency key, tail.
BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {redis.call('EXISTS', KEYS[5]) == 1 and 'deleted' or 'unknown'}
end
if ARGV[3] ~= '' then
  local decision = redis.call('HGET', KEYS[3], ARGV[3])
  if decision then return {'decided', decision} end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder, ends = unpack(redis.call('HMGET', KEYS[1], 'claim', 'claimed_until'))
if holder and holder ~= ARGV[1] and tonumber(ends) > now then
  return {'taken', tostring(tonumber(ends) - now)}
end
local count, first = unpack(redis.call('HMGET', KEYS[1], 'turns', 'first_turn'))
count = tonumber(count)
redis.call('HSET', KEYS[1], 'claim', ARGV[1], 'claimed_until', now + tonumber(ARGV[2]),
  'claimed_turn', count + 1)
local numbers = {}
for number = math.max(tonumber(first), count - tonumber(ARGV[4]) + 1, 1), count do
  numbers[#numbers + 1] = number
end
local turns = #numbers > 0 and redis.call('HMGET', KEYS[2], unpack(numbers)) or {}
return {'claimed', redis.call('HGETALL', KEYS[1]), turns, redis.call('HVALS', KEYS[4])}
"""

#: KEYS: session. ARGV: token, lease in ms.
CONFIRM = """
if redis.call('HGET', KEYS[1], 'claim') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'claimed_until', now + tonumber(ARGV[2]))
return 1
"""

#: KEYS: session. ARGV: token.
RELEASE = """
if redis.call('HGET', KEYS[1], 'claim') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'claim', 'claimed_until', 'claimed_turn')
end
return 1
"""

#: The list of a player's sessions lasts as long as the session that lasts longest.
_LAST = """
local function last(index, ms)
  if redis.call('PTTL', index) < tonumber(ms) then redis.call('PEXPIRE', index, ms) end
end
"""

#: KEYS: session, turns, keys, facts, tombstone, record. ARGV: token, number, decision, idempotency
#: key, turn, chapter, first turn, cast, lifetime in ms, record, the record's lifetime in ms, prefix
#: of players.
NOTE = (
    _LAST
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.call('EXISTS', KEYS[5]) == 1 and 'deleted' or 'unknown'
end
local number, decision = tonumber(ARGV[2]), ARGV[3]
local count, claim, claimed, player =
  unpack(redis.call('HMGET', KEYS[1], 'turns', 'claim', 'claimed_turn', 'player_key'))
count = tonumber(count)
local held = redis.call('HGET', KEYS[2], number)
local holder = held and cjson.decode(held)['id']
local keyed = ARGV[4] ~= '' and redis.call('HGET', KEYS[3], ARGV[4])
if (holder and holder ~= decision) or (keyed and keyed ~= decision) then return 'lost' end
if not holder then
  if ARGV[1] ~= '' and number ~= count + 1 then return 'lost' end
  redis.call('HSET', KEYS[2], number, ARGV[5])
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], ARGV[4], decision) end
  if number > count then
    count = number
    redis.call('HSET', KEYS[1], 'turns', number, 'chapter', ARGV[6], 'first_turn', ARGV[7],
      'cast', ARGV[8])
  end
  redis.call('SET', KEYS[6], ARGV[10], 'PX', ARGV[11])
  for place = 1, 4 do redis.call('PEXPIRE', KEYS[place], ARGV[9]) end
  if player and player ~= '' then last(ARGV[12] .. player, ARGV[9]) end
end
if claim and (claim == ARGV[1] or tonumber(claimed) <= count) then
  redis.call('HDEL', KEYS[1], 'claim', 'claimed_until', 'claimed_turn')
end
return 'noted'
"""
)

#: KEYS: session. ARGV: text, last turn that it tells of.
SUMMARISE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local through = tonumber(redis.call('HGET', KEYS[1], 'summary_through') or '0')
if through < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'summary', ARGV[1], 'summary_through', ARGV[2])
end
return 1
"""

#: KEYS: session, turns, keys, facts, tombstone. ARGV: fact id, fact, most facts, most characters,
#: characters of this one, lifetime in ms, prefix of players.
PIN = (
    _LAST
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.call('EXISTS', KEYS[5]) == 1 and 'deleted' or 'unknown'
end
if redis.call('HEXISTS', KEYS[4], ARGV[1]) == 0 then
  local pinned, characters = redis.call('HVALS', KEYS[4]), tonumber(ARGV[5])
  for _, fact in ipairs(pinned) do characters = characters + cjson.decode(fact)['size'] end
  if #pinned >= tonumber(ARGV[3]) or characters > tonumber(ARGV[4]) then return 'full' end
  local fact = cjson.decode(ARGV[2])
  fact['place'] = redis.call('HINCRBY', KEYS[1], 'pinned', 1)
  redis.call('HSET', KEYS[4], ARGV[1], cjson.encode(fact))
end
for place = 1, 4 do redis.call('PEXPIRE', KEYS[place], ARGV[6]) end
local player = redis.call('HGET', KEYS[1], 'player_key')
if player and player ~= '' then last(ARGV[7] .. player, ARGV[6]) end
return 'pinned'
"""
)

#: KEYS: session, turns, keys, facts, tombstone. ARGV: metrics, most metrics of a game: names of
#: ours begin with an underscore, and are not counted; what follows an @ is no part of a name.
POST = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.call('EXISTS', KEYS[5]) == 1 and 'deleted' or 'unknown'
end
local known, names = cjson.decode(redis.call('HGET', KEYS[1], 'metrics') or '{}'), 0
local seen = {}
for name, value in pairs(cjson.decode(ARGV[1])) do known[name] = value end
for key in pairs(known) do
  local name = string.match(key, '^[^_@][^@]*')
  if name and not seen[name] then
    seen[name], names = true, names + 1
  end
end
if names > tonumber(ARGV[2]) then return 'full' end
redis.call('HSET', KEYS[1], 'metrics', cjson.encode(known))
return 'posted'
"""

#: KEYS: session, turns, keys, facts, tombstone, player's sessions or ''. ARGV: a list of fields and
#: values for each of the first four as JSON, lifetime in ms, session id, its age, prefix of
#: sessions. Now and then it looks which of the player's sessions are still there.
ADOPT = (
    _LAST
    + """
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[5]) == 1 then return 0 end
for place = 1, 4 do
  local fields = cjson.decode(ARGV[place])
  for at = 1, #fields, 2 do redis.call('HSET', KEYS[place], fields[at], fields[at + 1]) end
  redis.call('PEXPIRE', KEYS[place], ARGV[5])
end
if ARGV[7] ~= '' then
  redis.call('ZADD', KEYS[6], ARGV[7], ARGV[6])
  last(KEYS[6], ARGV[5])
  if redis.call('ZCARD', KEYS[6]) % 100 == 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
      if redis.call('EXISTS', ARGV[8] .. id) == 0 then redis.call('ZREM', KEYS[6], id) end
    end
  end
end
return 1
"""
)

#: KEYS: session, turns, keys, facts, tombstone. ARGV: tombstone's lifetime in ms, prefix of
#: records, prefix of players.
DELETE = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.call('EXISTS', KEYS[5]) == 1 and 'deleted' or 'unknown'
end
local id, player = unpack(redis.call('HMGET', KEYS[1], 'id', 'player_key'))
for _, turn in ipairs(redis.call('HVALS', KEYS[2])) do
  redis.call('DEL', ARGV[2] .. cjson.decode(turn)['id'])
end
if player and player ~= '' then redis.call('ZREM', ARGV[3] .. player, id) end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SET', KEYS[5], '1', 'PX', ARGV[1])
return 'deleted'
"""
