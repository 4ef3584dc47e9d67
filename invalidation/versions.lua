-- All versions of one namespace live in one hash, so that they are lost together or not at all:
--   b birth    nonce of this hash: another one means that the state before it was lost
--   e epoch    nonce of "everything": a new one makes every entry stale
--   u          end of the quarantine, in ms of this server's clock
--   o          older births that this one has come after: ;birth;birth
--   i          identity of the server that wrote it (changes at a restart or failover)
--   q          sequence number, one more for every change of a scope
--   p          sequence number of the last message published
--   w          fences of everything: ;id:leaseEnd;id:leaseEnd
--   s<scope>   nonce;id:leaseEnd;id:leaseEnd
--   c<n>       ring: s<scope> as changed by sequence number n (modulo its size), '' for everything
-- ARGV: op, seed, lease in ms, channel, birth known to the caller ('' when it never knew one), then the op's own.
local key = KEYS[1]
local op, seed, lease, channel, known = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local RING = 4096
local MESSAGE_MAX = 8192
local OLDER = 64

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end

-- Who answers? A replica must not: it may lag. Where INFO has no such section the identity is '-'.
local identity = '-'
local info = redis.pcall('INFO', 'replication')
if type(info) == 'string' then
  if string.find(info, 'role:slave', 1, true) then
    return redis.error_reply('READONLY mlcache: versions are asked of a master only')
  end
  identity = string.match(info, 'master_replid:(%w+)') or '-'
elseif not string.find(info.err or '', 'section', 1, true) then
  return redis.error_reply('NOPERM mlcache: the user needs +info to notice a failover')
end

local h = redis.call('HMGET', key, 'b', 'e', 'u', 'o', 'i', 'q', 'p', 'w')
local birth, epoch, till, older, home, all = h[1], h[2], tonumber(h[3]) or 0, h[4] or '', h[5], h[8] or ''
local seq, pub = tonumber(h[6]) or 0, tonumber(h[7]) or 0

-- A command that a client sends twice must not bring the same nonce twice: the sequence number goes in.
local function nonce() return string.sub(redis.sha1hex(seed .. ':' .. int(seq) .. ':' .. int(now)), 1, 16) end
local function bump(scope)
  seq = seq + 1
  redis.call('HSET', key, 'q', int(seq), 'c' .. int(seq % RING), scope and 's' .. scope or '')
end
local function newepoch()
  bump(nil)
  epoch = nonce()
  redis.call('HSET', key, 'e', epoch)
end

-- A caller who comes from a birth that is not among the older ones comes from another server, or from before this hash
-- began. It may have changed what this hash has not heard of: a master that was replaced, and is asked again, still has
-- the versions of then.
local function came(after) return string.find(older .. ';', ';' .. after .. ';', 1, true) end
local stranger = known ~= '' and known ~= birth and not came(known)

if not birth or not epoch or home ~= identity or stranger then
  -- Fences in flight may be lost: quarantine, unless nobody can have had one.
  till = now + lease
  if not birth and known == '' then
    local subs = redis.pcall('PUBSUB', 'NUMSUB', channel)
    if type(subs) == 'table' and not subs.err and tonumber(subs[2]) == 0 then
      till = 0
      local server = redis.pcall('INFO', 'server')
      local up = type(server) == 'string' and tonumber(string.match(server, 'uptime_in_seconds:(%d+)'))
      if up and up * 1000 < lease then
        till = now + lease - up * 1000
      end
    end
  end
  newepoch()
  for _, b in ipairs({birth or '', string.sub(known, 1, 16)}) do
    if b ~= '' and not came(b) then older = string.sub(older .. ';' .. b, -OLDER * 17) end
  end
  birth = string.sub(redis.sha1hex('birth:' .. epoch .. seed), 1, 16)
  redis.call('HSET', key, 'b', birth, 'u', int(till), 'o', older, 'i', identity)
end

-- The fences of a list that still hold, without those in drop; and the time at which the last of them ends.
local function holding(list, drop)
  local keep, last = {}, 0
  for id, ends in string.gmatch(list, ';([^:;]+):(%d+)') do
    local e = tonumber(ends)
    if e > now and not drop[id] then
      keep[#keep + 1] = ';' .. id .. ':' .. ends
      if e > last then last = e end
    end
  end
  return table.concat(keep), last
end
local function left(last) return last > now and int(last - now) or '0' end
local NONE = {}

local function head()
  local _, last = holding(all, NONE)
  return table.concat({birth, epoch, left(till), int(seq), int(pub), left(last)}, ' ')
end

local function publish(items)
  local before = pub
  pub = seq
  redis.call('HSET', key, 'p', int(pub))
  local body = table.concat(items)
  if #body > MESSAGE_MAX then body = '' end
  local m = table.concat({'1', birth, epoch, int(before), int(pub), int(#items), body}, ' ')
  redis.pcall('PUBLISH', channel, m)
end

local function state(scope)
  local s = redis.call('HGET', key, 's' .. scope)
  if not s then return nil, '' end
  return string.sub(s, 1, 16), string.sub(s, 17)
end
local function store(scope, n, list) redis.call('HSET', key, 's' .. scope, n .. list) end

local out = {''}
local function show(n, last) out[#out + 1] = n .. ' ' .. left(last) end

if op == 'read' then
  for k = 6, #ARGV do
    local n, list = state(ARGV[k])
    if not n then
      n = nonce()
      store(ARGV[k], n, '')
    end
    local _, last = holding(list, NONE)
    show(n, last)
  end

elseif op == 'poll' then
  local from = tonumber(ARGV[6])
  if known ~= birth or from > seq or seq - from > RING then
    out[2] = '-'
  else
    out[2] = '+'
    local seen = {['']=true}
    for first = from + 1, seq, 256 do
      local names = {}
      for n = first, math.min(first + 255, seq) do names[#names + 1] = 'c' .. int(n % RING) end
      for _, slot in ipairs(redis.call('HMGET', key, unpack(names))) do
        slot = slot or ''
        if not seen[slot] then
          seen[slot] = true
          local v, list = state(string.sub(slot, 2))
          if v then
            local _, last = holding(list, NONE)
            out[#out + 1] = string.sub(slot, 2)
            show(v, last)
          end
        end
      end
    end
  end

elseif op == 'fence' or op == 'renew' then
  -- fence, renew: groups of id, number of scopes (or '*' for everything), scopes; at the end the caller's mark. A
  -- renewal that finds its fence gone sets it again, with a new nonce.
  local k = 6
  while k < #ARGV - 1 do
    local id, count = ARGV[k], ARGV[k + 1]
    local mine, ends, drop = ';' .. id .. ':', now + lease, {[id] = true}
    k = k + 2
    if count == '*' then
      local held = op == 'renew' and string.find(all, mine, 1, true)
      all = holding(all, drop) .. mine .. int(ends)
      redis.call('HSET', key, 'w', all)
      if not held then newepoch() end
    else
      for _ = 1, tonumber(count) do
        local n, list = state(ARGV[k])
        local keep, last = holding(list, drop)
        local held = n and op == 'renew' and string.find(list, mine, 1, true)
        if not held then
          bump(ARGV[k])
          n = nonce()
        end
        store(ARGV[k], n, keep .. mine .. int(ends))
        show(n, math.max(last, ends))
        k = k + 1
      end
    end
  end

elseif op == 'release' then
  -- release: ids joined by commas, outcome, '*' or '', scopes. After an unknown outcome ('u') the fence stays until
  -- its lease ends, because the change may become visible later than this release.
  local ids, outcome, wide = ARGV[6], ARGV[7], ARGV[8]
  local drop, tail = {}, ''
  for id in string.gmatch(ids, '[^,]+') do
    drop[id] = true
    if outcome == 'u' then tail = tail .. ';' .. id .. ':' .. int(now + lease) end
  end
  local items = {}
  if wide == '*' then
    all = holding(all, drop) .. tail
    redis.call('HSET', key, 'w', all)
    if outcome == 'r' then bump(nil) else newepoch() end
  end
  for k = 9, #ARGV do
    local n, list = state(ARGV[k])
    list = holding(list, drop) .. tail
    local _, last = holding(list, NONE)
    bump(ARGV[k])
    if outcome ~= 'r' or not n then n = nonce() end
    store(ARGV[k], n, list)
    show(n, last)
    items[#items + 1] = n .. (last > now and 'f' or 'o') .. int(#ARGV[k]) .. ':' .. ARGV[k]
  end
  publish(items)
end

out[1] = head()
return out
