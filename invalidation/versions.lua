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
--              An id with a ! before it belongs to a fence that was released before its command arrived: when that
--              comes, it takes this out and does nothing else.
--              An id with a ~ in it belongs to a process that has told who may still carry out what is behind its fences: its
--              first 16 characters name the process in k. When its lease ends it does not: the scope stays fenced
--              until somebody has seen that nobody can any more. See settle.
--   k          who may: ;process:time:number:name,name;process:...
--   x          fences of which somebody has met the end of their lease: ;id:until:asker:length:field. Until that time it is the
--              asker, a process, who finds out
--   t          when Redis last took a write for the sake of a poll, in ms of this server's clock
--   c<n>       ring: s<scope> as changed by sequence number n (modulo its size), '' for everything
-- A hit asks for e alone and takes b, i and w for unchanged with it (confirm.go): what changes one of those, or puts a
-- fence into w, makes a new epoch.
-- ARGV: op, seed, lease in ms, channel (behind a ! if the caller listens to it), birth known to the caller ('' when it never
-- knew one), then the op's own. For read and poll see there. Every other op is the name of a list of fences, renewals and releases that is carried out in its
-- order. Nobody sees what is between two of them.
local key = KEYS[1]
local call, find, sub, format, concat = redis.call, string.find, string.sub, string.format, table.concat
local op, seed, lease, channel, known = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local RING = 4096
local MESSAGE_MAX = 8192
local OLDER = 64
local MARKED = 1000 -- ms after which to ask again for what is fenced without a lease
local ASKER = 30000 -- ms for which a process finds out what became of a fence
local MET = 64 -- fences in x
local DAY = 24 * 3600 * 1000
local PROCESSES = 512 -- in k

-- Where the caller is the only one who listens, its answer tells all that a message could: none is sent then, and the next
-- message comes, as its number says, behind the last one that was. Replicas have listeners of their own.
local listens = sub(channel, 1, 1) == '!'
if listens then channel = sub(channel, 2) end
local function nobody(info)
  if not listens or type(info) ~= 'string' or not find(info, 'connected_slaves:0', 1, true) then return false end
  local subs = redis.pcall('PUBSUB', 'NUMSUB', channel)
  return subs[2] == 1
end

local function int(n) return format('%d', n) end

-- Where memory is full and nothing can be evicted, Redis refuses what may take more of it, unless the script has written
-- before. HDEL is a write that it does not refuse. What versions take is little, and without it no change would become known.
-- A hash that is not there yet may have been evicted, and would be at once again. It returns Redis's refusal, nil if there is none.
local function refused(exists, ...)
  local r = redis.pcall('HSET', key, ...)
  if exists and type(r) == 'table' and r.err and find(r.err, 'OOM', 1, true) then
    redis.pcall('HDEL', key, '')
    r = redis.pcall('HSET', key, ...)
  end
  if type(r) == 'table' and r.err then return r end
end
local function hset(exists, ...)
  if refused(exists, ...) then call('HSET', key, ...) end
end

local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- What nearly every call is: one fence or one release, of few scopes, that a caller who knows this birth makes while no
-- fence but its own stands there. It is carried out here as by what follows this function, at half of the cost, and
-- without looking at the clock where no time is needed. nil leaves it to what follows, before anything has been written.
local function usual()
  local fencing, id, first, assumed = op == 'fence', ARGV[7], 9, ''
  if not fencing then
    if op ~= 'release' or ARGV[8] ~= 'c' or ARGV[9] ~= '' or find(id, ',', 1, true) then return end
    first, assumed = 13, ARGV[10]
    if sub(id, 1, 1) == '!' then id = sub(id, 2) end
  end
  local n = tonumber(ARGV[first - 1])
  if not n or n < 1 or n > 4 or #ARGV ~= first + n - 1 then return end

  local fields = {'b', 'e', 'u', 'i', 'q', 'p', 'w'}
  for k = 1, n do fields[k + 7] = 's' .. ARGV[first + k - 1] end
  if assumed ~= '' then fields[n + 8] = 's' .. assumed end
  local h = call('HMGET', key, unpack(fields))
  local birth, epoch, home, all = h[1], h[2], h[4], h[7] or ''
  if not birth or birth ~= known or not epoch or not home or h[3] ~= '0' or all ~= '' then return end
  if assumed ~= '' and (#ARGV[11] ~= 16 or find(h[n + 8] or '', ARGV[11], 1, true) ~= 1) then return end

  local held, last, list = ';' .. id .. ':', '0', ''
  for k = 8, n + 7 do
    local s = h[k]
    if not s then return end
    if fencing then
      if #s ~= 16 then return end
    elseif id ~= '' then
      if find(s, held, 17, true) ~= 17 or find(s, ';', 18, true) then return end -- not the only fence
    elseif k == 8 then
      list = sub(s, 17) -- of a fence that others need
    elseif sub(s, 17) ~= list then
      return
    end
  end
  if list ~= '' then
    local ends = string.match(list, '^;[^:;!]+:(%d+)$')
    if not ends then return end
    local more = ends - clock()
    if more <= 0 then return end
    last = int(more)
  end
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' or not find(info, 'role:master', 1, true) or not find(info, 'master_replid:' .. home .. '\r', 1, true) then
    return
  end

  local seq, pub = tonumber(h[5]) or 0, h[6] or '0'
  local nonce = sub(redis.sha1hex(seed .. ':' .. int(seq)), 1, 16)
  if fencing then list = held .. int(clock() + lease) end
  local value, open = nonce .. list, list == '' and 'o' or 'f'
  local changes, body = {}, ''
  for k = 1, n do
    local scope, at = ARGV[first + k - 1], 4 * k
    seq = seq + 1
    changes[at - 3], changes[at - 2] = fields[k + 7], value
    changes[at - 1], changes[at] = 'c' .. int(seq % RING), fields[k + 7]
    if not fencing then body = body .. nonce .. open .. #scope .. ':' .. scope end
  end
  local at, new = 4 * n, int(seq)
  changes[at + 1], changes[at + 2] = 'q', new
  if fencing then
    hset(true, unpack(changes))
    return {birth .. ' ' .. epoch .. ' 0 ' .. new .. ' ' .. pub .. ' 0'}
  end
  if nobody(info) then
    hset(true, unpack(changes))
  else
    local before = pub
    pub = new
    changes[at + 3], changes[at + 4] = 'p', pub
    hset(true, unpack(changes))
    if #body > MESSAGE_MAX then body = '' end
    redis.pcall('PUBLISH', channel, '1 ' .. birth .. ' ' .. epoch .. ' ' .. before .. ' ' .. pub .. ' ' .. n .. ' ' .. body)
  end
  local out, state = {birth .. ' ' .. epoch .. ' 0 ' .. new .. ' ' .. pub .. ' 0'}, nonce .. ' ' .. last
  for k = 1, n do out[k + 1] = state end
  return out
end
local done = usual()
if done then return done end

local now = clock()

-- The scopes that the arguments name are read with the header, and all that changes is written with one command at the end.
local MANY = 400 -- fields in one command: Lua's stack is small, and they stand there several times
local fields = {'b', 'e', 'u', 'o', 'i', 'q', 'p', 'w', 'x'}
local scopes = {} -- by name: nonce and fences; false where there is none
local named, count = {}, 0
local function name(first, last)
  for k = first, last do
    local scope = ARGV[k]
    if scopes[scope] == nil then
      scopes[scope] = false
      count = count + 1
      named[count] = scope
      if count <= MANY then fields[count + 9] = 's' .. scope end
    end
  end
end
if op == 'read' then
  name(6, #ARGV)
elseif op ~= 'poll' then
  local k = 6
  while true do
    local kind, own = ARGV[k], 3
    if kind == 'release' then
      own = 7
      if ARGV[k + 4] ~= '' then name(k + 4, k + 4) end
    elseif kind == 'settle' then
      own = 4
    elseif kind == 'holders' then
      own = 5 -- the last of them is 0
    elseif kind ~= 'fence' and kind ~= 'renew' and kind ~= 'resign' and kind ~= 'leave' then
      break -- the end, or the caller's mark
    end
    local last = k + own - 1 + (tonumber(ARGV[k + own - 1]) or 0) -- '*' has no names
    name(k + own, last)
    k = last + 1
  end
end
local h = call('HMGET', key, unpack(fields))
for n = 1, math.min(count, MANY) do scopes[named[n]] = h[n + 9] end
for first = MANY + 1, count, MANY do
  fields = {}
  for n = first, math.min(first + MANY - 1, count) do fields[#fields + 1] = 's' .. named[n] end
  for n, s in ipairs(call('HMGET', key, unpack(fields))) do scopes[named[first + n - 1]] = s end
end

local birth, epoch, till, older, home, all = h[1], h[2], tonumber(h[3]) or 0, h[4] or '', h[5], h[8] or ''
local x = h[9] or ''
local seq, pub = tonumber(h[6]) or 0, tonumber(h[7]) or 0

-- Who answers? A replica must not: it may lag. Where INFO has no such section the identity is '-'.
local identity = '-'
local info = redis.pcall('INFO', 'replication')
if type(info) == 'string' then
  if find(info, 'role:slave', 1, true) then
    return redis.error_reply('READONLY mlcache: versions are asked of a master only')
  end
  local _, at = find(info, 'master_replid:', 1, true)
  if at then identity = string.match(info, '^%w+', at + 1) or '-' end
elseif not find(info.err or '', 'section', 1, true) then
  return redis.error_reply('NOPERM mlcache: the user needs +info to notice a failover')
end

local changes, written = {}, 0
local function put(field, value)
  changes[written + 1], changes[written + 2] = field, value
  written = written + 2
end
local function flush()
  for first = 1, written, 2 * MANY do
    hset(h[1], unpack(changes, first, math.min(first + 2 * MANY - 1, written)))
  end
  changes, written = {}, 0
end

if till > 0 and till <= now then
  till = 0
  put('u', '0')
end

-- A command that a client sends twice must not bring the same nonce twice: the sequence number goes in. One is enough for
-- a command: what must differ are the versions of one scope, and no command changes a scope's twice.
local fresh
local function nonce()
  fresh = fresh or sub(redis.sha1hex(seed .. ':' .. int(seq) .. ':' .. int(now)), 1, 16)
  return fresh
end
local function bump(scope)
  seq = seq + 1
  put('c' .. int(seq % RING), scope and 's' .. scope or '')
end
local function newepoch()
  bump(nil)
  epoch = nonce()
  put('e', epoch)
end

-- A caller who comes from a birth that is not among the older ones comes from another server, or from before this hash
-- began. It may have changed what this hash has not heard of: a master that was replaced, and is asked again, still has
-- the versions of then.
local function came(after) return find(older .. ';', ';' .. after .. ';', 1, true) end
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
  for _, b in ipairs({birth or '', sub(known, 1, 16)}) do
    if b ~= '' and not came(b) then older = sub(older .. ';' .. b, -OLDER * 17) end
  end
  birth = sub(redis.sha1hex('birth:' .. epoch .. seed), 1, 16)
  put('b', birth)
  put('u', int(till))
  put('o', older)
  put('i', identity)
end

-- The fences of a list, which is that of a field, that still hold, and the time at which the last of them ends, or before which
-- asking again is of no use.
local met = {}
local function holding(list, field)
  if list == '' then return '', 0 end
  local keep, last = {}, 0
  for id, ends in string.gmatch(list, ';([^:;]+):(%d+)') do
    local e, released = tonumber(ends), sub(id, 1, 1) == '!'
    if e <= now and not released and find(id, '~', 1, true) then
      met[#met + 1] = {id, field}
      e = now + MARKED
    end
    if e > now then
      keep[#keep + 1] = ';' .. id .. ':' .. ends
      if e > last and not released then last = e end
    end
  end
  return concat(keep), last
end
-- A list without the fence of this id, and when that ends: nil if it was not there.
local function without(list, id)
  if list == '' then return '' end
  local at, stop = find(list, ';' .. id .. ':', 1, true)
  if not at then return list end
  local after = find(list, ';', at + 1, true)
  return sub(list, 1, at - 1) .. (after and sub(list, after) or ''), tonumber(sub(list, stop + 1, after and after - 1))
end
local function left(last) return last > now and int(last - now) or '0' end

-- The end of the lease of a fence in a list; nil if it is not there.
local function ending(list, id)
  local at = find(list, ';' .. id .. ':', 1, true)
  return at and tonumber(string.match(list, '^%d+', at + #id + 2))
end

-- What is in x, as a list of {id, until, asker, field}, and back.
local function marked()
  local list, at = {}, 1
  while at <= #x do
    local id, ends, asker, size, after = string.match(x, '^;([^:;]+):(%d+):([^:;]*):(%d+):()', at)
    if not id then break end
    at = after + tonumber(size)
    list[#list + 1] = {id, tonumber(ends), asker, sub(x, after, at - 1)}
  end
  return list
end
local function mark(list)
  local text = {}
  for n, m in ipairs(list) do text[n] = ';' .. m[1] .. ':' .. int(m[2]) .. ':' .. m[3] .. ':' .. int(#m[4]) .. ':' .. m[4] end
  text = concat(text)
  if text ~= x then
    x = text
    redis.pcall('HSET', key, 'x', x) -- who may not write leaves it to others
  end
end

-- Adds to x what this call has met.
local function note()
  if #met == 0 then return end
  local list, there = marked(), {}
  for _, m in ipairs(list) do there[m[1] .. ':' .. m[4]] = true end
  for _, m in ipairs(met) do
    if #list < MET and not there[m[1] .. ':' .. m[2]] then
      there[m[1] .. ':' .. m[2]] = true
      list[#list + 1] = {m[1], 0, '', m[2]}
    end
  end
  met = {}
  mark(list)
end

-- What k says of a process: a number, which is another one each time, and names. nil where it says nothing.
local holders
local function told_of(process)
  holders = holders or call('HMGET', key, 'k')[1] or ''
  local at = find(holders, ';' .. process .. ':', 1, true)
  if at then return string.match(holders, '^%d+:(%d+):([^;]*)', at + #process + 2) end
end

-- The entries of the others. Those that have told nothing for a day are left out, and the oldest where there are too many: of a
-- process that is not in k nobody knows who can carry out what is behind its fences.
local function others(process)
  local keep = {}
  for p, at, rest in string.gmatch(holders, ';([^:;]+):(%d+):([^;]*)') do
    if p ~= process and tonumber(at) > now - DAY then keep[#keep + 1] = ';' .. p .. ':' .. at .. ':' .. rest end
  end
  return concat(keep, '', math.max(1, #keep - PROCESSES + 2))
end
local function register(process, number, names)
  local is = told_of(process)
  if is and tonumber(is) >= tonumber(number) then return end
  holders = others(process) .. ';' .. process .. ':' .. int(now) .. ':' .. number .. ':' .. names
  put('k', holders)
end
local function unregister(process)
  if told_of(process) then
    holders = others(process)
    put('k', holders)
  end
end

local function head()
  local _, last = holding(all, 'w')
  return concat({birth, epoch, left(till), int(seq), int(pub), left(last)}, ' ')
end

local function publish(items)
  if nobody(info) then
    put('q', int(seq))
    return flush()
  end
  local before = pub
  pub = seq
  put('p', int(pub))
  put('q', int(seq))
  flush()
  local body = concat(items)
  if #body > MESSAGE_MAX then body = '' end
  local m = concat({'1', birth, epoch, int(before), int(pub), int(#items), body}, ' ')
  redis.pcall('PUBLISH', channel, m)
end

local function state(scope)
  local s = scopes[scope]
  if not s then return nil, '' end
  return sub(s, 1, 16), sub(s, 17)
end
local function store(scope, n, list)
  scopes[scope] = n .. list
  put('s' .. scope, scopes[scope])
end

local out = {''}
local function show(n, last) out[#out + 1] = n .. ' ' .. left(last) end

if op == 'read' then
  -- What has ended is taken out, so that the next reader need not ask this script: see direct.go.
  local keep = holding(all, 'w')
  if keep ~= all then put('w', keep) end
  for k = 6, #ARGV do
    local n, list = state(ARGV[k])
    local keep, last = holding(list, 's' .. ARGV[k])
    if not n or keep ~= list then
      n = n or nonce()
      store(ARGV[k], n, keep)
    end
    show(n, last)
  end

elseif op == 'poll' then
  -- Redis may answer and take no change: a full memory, a snapshot that failed, too few replicas. Then nobody hears of what the
  -- others change, and whoever serves must notice. So one poll in a while writes, as a fence does, and what the caller knows is as
  -- old as the last such write: how old, in ms, stands in the answer. A user without the right to write relies on others.
  -- The op's own arguments are the number from which on changes are wanted, and how old that write may be.
  local from, within, age = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(call('HMGET', key, 't')[1])
  age = age and age <= now and now - age or 1e9
  if age >= within then
    local why = refused(h[1], 't', int(now))
    if not why then
      age = 0
    elseif not find(why.err, 'NOPERM', 1, true) and not find(why.err, "can't run", 1, true) then -- before Redis 7.2
      return why
    end
  end
  if known ~= birth or from > seq or seq - from > RING then
    out[2] = '- ' .. int(age)
  else
    -- What the caller is to find out, or knows: what has become of fences whose lease has ended.
    local process, list, asked = ARGV[8] or '', {}, 0
    for _, m in ipairs(marked()) do
      local of = m[4] == 'w' and all or sub(call('HMGET', key, m[4])[1] or '', 17)
      local ends = ending(of, m[1])
      if ends and ends <= now then -- else it has been released, or renewed
        local whose = sub(m[1], 1, 16)
        if process ~= '' and (whose == process or m[2] <= now or m[3] == process) then
          if m[2] <= now then m[2], m[3] = now + ASKER, process end -- somebody else may be able to ask whom it cannot
          asked = asked + 1
          local number, names = told_of(whose)
          out[3 * asked], out[3 * asked + 1] = m[1], number and number .. ' ' .. names or '-'
          out[3 * asked + 2] = m[4]
        end
        list[#list + 1] = m
      end
    end
    mark(list)
    out[2] = '+ ' .. int(age) .. ' ' .. int(asked)
    local seen = {['']=true}
    for first = from + 1, seq, 256 do
      local names = {}
      for n = first, math.min(first + 255, seq) do names[#names + 1] = 'c' .. int(n % RING) end
      local changed = {}
      for _, slot in ipairs(call('HMGET', key, unpack(names))) do
        slot = slot or ''
        if not seen[slot] then
          seen[slot] = true
          changed[#changed + 1] = slot
        end
      end
      local states = #changed > 0 and call('HMGET', key, unpack(changed)) or {}
      for n, s in ipairs(states) do
        if s then
          local _, last = holding(sub(s, 17), changed[n])
          out[#out + 1] = sub(changed[n], 2)
          show(sub(s, 1, 16), last)
        end
      end
    end
  end

else
  local nonces, lists, touched, wasall = {}, {}, {}, all
  local function take(scope)
    if not lists[scope] then
      nonces[scope], lists[scope] = state(scope)
      touched[#touched + 1] = scope
    end
    return nonces[scope], lists[scope]
  end
  local told, items = {}, {} -- the scopes of the releases, in their order; and each of them once
  local published, new = false, {}

  -- A fence that was released before its command came has left its mark, which the command takes out and does nothing
  -- else: writers whose statements are faster than their fences would otherwise leave one each, for a whole lease. A
  -- command that is sent twice then sets a fence that nobody releases: late until its lease ends, never wrong. A renewal
  -- that finds its fence gone, or ended, sets it again, with a new nonce: a poll may have shown the scope open meanwhile.
  local function put_up(list, id, renewing)
    local rest, over = without(list, '!' .. id)
    if over then return rest, true end
    local ends
    rest, ends = without(list, id)
    return rest .. ';' .. id .. ':' .. int(now + lease), ends and ends > now and renewing
  end

  -- After an unknown outcome ('u') the fence stays until its lease ends, because the change may become visible later than
  -- this release. An id with a ! before it is one whose command has not been answered: if it has not come yet, it must
  -- find that the fence is no more. The release does not have to wait for it: what an answer must be stored under, to be
  -- used after this release, is a version that this release makes, so that the answer was read after the change.
  local function take_down(list, ids, unknown)
    for early, id in string.gmatch(ids, '(!?)([^,!]+)') do
      local found
      list, found = without(list, id)
      if unknown then
        list = list .. ';' .. id .. ':' .. int(now + lease)
      elseif early ~= '' and not found then
        list = list .. ';!' .. id .. ':' .. int(now + lease)
      end
    end
    return list
  end

  local k = 6
  while true do
    local kind = ARGV[k]
    if kind == 'fence' or kind == 'renew' then
      -- id, number of scopes (or '*' for everything), scopes
      local id, n, same = ARGV[k + 1], ARGV[k + 2]
      k = k + 3
      if n == '*' then
        all, same = put_up(all, id, kind == 'renew')
        if not same then newepoch() end
      else
        for _ = 1, tonumber(n) do
          local scope = ARGV[k]
          local before, list = take(scope)
          lists[scope], same = put_up(list, id, kind == 'renew')
          if not (same and before) then
            bump(scope)
            nonces[scope] = nonce()
          end
          k = k + 1
        end
      end
    elseif kind == 'release' then
      -- ids joined by commas, outcome, '*' or '', a scope that the change assumes and the version that it assumes of it
      -- ('' for nothing), number of scopes, scopes. If the assumption does not hold, the change may have touched everything.
      local ids, outcome, wide, assumed, n = ARGV[k + 1], ARGV[k + 2], ARGV[k + 3], ARGV[k + 4], tonumber(ARGV[k + 6])
      if assumed ~= '' and outcome ~= 'r' and (nonces[assumed] or state(assumed)) ~= ARGV[k + 5] then wide = '*' end
      k = k + 7
      if wide == '*' then
        all = take_down(all, ids, outcome == 'u')
        if outcome == 'r' then bump(nil) else newepoch() end
      end
      for _ = 1, n do
        local scope = ARGV[k]
        local before, list = take(scope)
        lists[scope] = take_down(list, ids, outcome == 'u')
        bump(scope)
        if outcome ~= 'r' or not before then nonces[scope] = nonce() end
        told[#told + 1], new[scope] = scope, true
        k = k + 1
      end
      published = true
    elseif kind == 'holders' then
      -- a process, a number that grows, names
      register(ARGV[k + 1], ARGV[k + 2], ARGV[k + 3])
      k = k + 5
    elseif kind == 'resign' then
      -- a process, which ends: what it was to find out, others may at once
      local list = marked()
      for _, m in ipairs(list) do
        if m[3] == ARGV[k + 1] then m[2], m[3] = 0, '' end
      end
      mark(list)
      k = k + 3
    elseif kind == 'leave' then
      -- a process, which ends, and of which no fence is left
      unregister(ARGV[k + 1])
      k = k + 3
    elseif kind == 'settle' then
      -- id, what k said of its process when the caller found out ('-' for nothing; '=': it is the caller's own), number of
      -- scopes, which is 1 (or '*' for everything), scope. What was behind the fence has become visible by now, or never will.
      local id, guard, n = ARGV[k + 1], ARGV[k + 2], ARGV[k + 3]
      local field = n == '*' and 'w' or 's' .. ARGV[k + 4]
      local right = guard == '=' or guard == (told_of(sub(id, 1, 16)) or '-')
      local function over(list)
        local ends = ending(list, id)
        return ends and (guard == '=' or right and ends <= now)
      end
      k = k + 4
      if n == '*' then
        if over(all) then
          all = without(all, id)
          newepoch()
          published = true
        end
      else
        local scope = ARGV[k]
        local before, list = take(scope)
        if over(list) then
          lists[scope] = without(list, id)
          told[#told + 1], new[scope], published = scope, true, true
        end
        if new[scope] or not before then
          bump(scope)
          nonces[scope] = nonce()
        end
        k = k + 1
      end
      local list = {}
      for _, m in ipairs(marked()) do
        if m[1] ~= id or m[4] ~= field then list[#list + 1] = m end
      end
      mark(list)
    else
      break
    end
  end

  local ends = {}
  if all ~= wasall then
    all = holding(all, 'w')
    put('w', all)
  end
  for _, scope in ipairs(touched) do
    local list = lists[scope]
    if new[scope] or find(list, ';', 2, true) then -- else the only fence is the caller's
      list, ends[scope] = holding(list, 's' .. scope)
    end
    store(scope, nonces[scope], list)
  end
  for _, scope in ipairs(told) do
    local n, last = nonces[scope], ends[scope]
    show(n, last)
    if new[scope] then
      new[scope] = false
      items[#items + 1] = n .. (last > now and 'f' or 'o') .. #scope .. ':' .. scope
    end
  end
  if published then publish(items) end
end

out[1] = head()
note()
if written > 0 then
  put('q', int(seq))
  flush()
end
return out
