// The scripts that give publications their positions, keep them, and tell what was missed; each is atomic.
//
// The keys of a topic: meta (hash: e epoch, s offset, r replid of the Redis the epoch began at, b offset at which it began,
// p epoch before, y bytes in the stream, x when its end was put off, f forgotten offset, n:<instance> the last batch of each
// publishing instance), stream (one entry per batch, its id the batch's last offset), ledger (list: offset, bytes and age of
// each entry, so that trimming reads no entry), values, offsets and removals of mode `latest`. Time is always the caller's.

/**
 * Offsets are Lua's doubles, whose own text has 14 digits. INFO names the replid, which changes with each restart, promotion
 * and restore: whenever Redis may have lost or rolled back what it had acknowledged.
 */
const prelude = `
local function int(n) return string.format('%.0f', n) end
local function replid()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
-- What the topic's meta holds; \`field\` is one more of its fields.
local function read(meta, field)
  return redis.call('HMGET', meta, 'e', 's', 'r', 'b', 'p', 'y', 'x', field or 'f')
end
-- Where the topic stands, under a new epoch if need be. What outlived its meta belongs to no epoch and goes.
local function open(meta, m, epoch, others)
  local r = replid()
  local t = { e = m[1], s = tonumber(m[2] or '0'), b = tonumber(m[4] or '0'), p = m[5] or '' }
  t.y, t.x = tonumber(m[6] or '0'), tonumber(m[7] or '0')
  if not t.e then
    redis.call('DEL', unpack(others))
    t.e, t.s, t.b, t.p = epoch, 0, 0, ''
  elseif m[3] ~= r then
    t.p, t.e, t.b = t.e, epoch, t.s
  else
    return t
  end
  redis.call('HSET', meta, 'e', t.e, 's', int(t.s), 'r', r, 'b', int(t.b), 'p', t.p)
  return t
end
`;

/**
 * An entry goes as a whole, when its last publication is beyond the size, its oldest beyond the age, or all entries together
 * are beyond the bytes. The ledger ends before the stream where it was lost: then nothing is known of it, and it goes.
 */
const trimming = `
-- What the entries have in bytes after it, and the least offset that still has one, if that changed.
local function trim(stream, ledger, s, bytes, size, ttl, maxBytes, now)
  local least
  while true do
    local head = redis.call('LINDEX', ledger, 0)
    if not head then
      redis.call('DEL', stream)
      return 0, nil
    end
    local last, length, at = string.match(head, '^(%d+) (%d+) (%-?%d+)$')
    last = tonumber(last)
    if last > s - size and bytes <= maxBytes and tonumber(at) + ttl > now then return bytes, least end
    redis.call('LPOP', ledger)
    bytes = bytes - tonumber(length)
    least = int(last + 1) .. '-0'
  end
end
`;

/** Removals beyond their age, or beyond the number of keys, are forgotten; \`f\` tells how far. */
const forgetting = `
local function forget(meta, values, offsets, removals, maxKeys, ttl, now)
  local forgotten
  while true do
    local head = redis.call('ZRANGE', removals, 0, 0, 'WITHSCORES')
    if not head[1] then break end
    if redis.call('ZCARD', removals) <= maxKeys then
      local item = redis.call('HGET', values, head[1])
      local readable, fields = pcall(cmsgpack.unpack, item)
      local at = readable and type(fields) == 'table' and tonumber(fields[1])
      if at and at + ttl > now then break end
    end
    redis.call('ZREM', removals, head[1])
    redis.call('ZREM', offsets, head[1])
    redis.call('HDEL', values, head[1])
    forgotten = head[2]
  end
  if forgotten then redis.call('HSET', meta, 'f', forgotten) end
end
`;

/** What both ways of appending begin and end with. */
const batches = `
-- The reply to a batch that was executed before. A number that went by belongs to nobody who still waits.
local function executed(record, batch)
  if not record then return nil end
  local number, epoch, first, count, outcomes = string.match(record, '^(%d+) (%S+) (%d+) (%d+) %S+ (.*)$')
  if not number or tonumber(number) < batch then return nil end
  if tonumber(number) > batch then return redis.error_reply('STALE this batch was followed by another') end
  return { 1, epoch, tonumber(first), tonumber(count), outcomes }
end
-- Records of instances that have not published for so long that no batch of theirs can be under way.
local function forgetRecords(meta, now)
  if redis.call('HLEN', meta) <= 40 then return end
  local all = redis.call('HGETALL', meta)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'n:' then
      local at = tonumber(string.match(all[i + 1], '^%d+ %S+ %d+ %d+ (%S+)') or '0') or 0
      if at + 600000 < now then redis.call('HDEL', meta, all[i]) end
    end
  end
end
local function arrayHead(count)
  if count < 16 then return string.char(0x90 + count) end
  return string.char(0xdc, math.floor(count / 256), count % 256)
end
local function envelope(head, epoch, first, body)
  return head .. cmsgpack.pack(epoch) .. cmsgpack.pack(first) .. body
end
local function record(batch, epoch, first, count, now, outcomes)
  return batch .. ' ' .. epoch .. ' ' .. int(first) .. ' ' .. int(count) .. ' ' .. now .. ' ' .. outcomes
end
`;

/**
 * ARGV of both: instance, fence, batch, now, new epoch, position ttl, channel, envelope head, idempotency prefix,
 * idempotency ttl, then the rule. The reply is {0} where the fence is not the instance's, else {1, epoch, first, count of
 * those accepted, outcomes}. Outcomes: empty where all were accepted, else for each publication \`+\` accepted,
 * \`!\` one key too many, \`=<epoch>:<offset>\` the first one under its idempotency key.
 */
const appendOpening = `
local meta, lease = KEYS[1], KEYS[2]
local instance, batch, now, ttl = ARGV[1], tonumber(ARGV[3]), ARGV[4], ARGV[6]
if redis.call('GET', lease) ~= ARGV[2] then return { 0 } end
local field = 'n:' .. instance
local m = read(meta, field)
local done = executed(m[8], batch)
if done then return done end
local t = open(meta, m, ARGV[5], { unpack(KEYS, 3) })
if not m[8] then forgetRecords(meta, tonumber(now)) end
local first = t.s + 1
-- Ends are put off now and then, since that costs as much as writing: they are a minute later than they need be.
local isStale = math.abs(tonumber(now) - t.x) >= 30000
if isStale then t.x = tonumber(now) end
`;

const idempotency = `
local nowMs = tonumber(now)
-- Redis keeps a key for a minute more, because callers' clocks and this one differ.
local till, lifeMs = int(nowMs + tonumber(ARGV[10])), int(tonumber(ARGV[10]) + 60000)
local function saidBy(known)
  if not known then return nil end
  local epoch, offset, untilMs = string.match(known, '^(%S+) (%d+) (%S+)$')
  if not epoch or tonumber(untilMs) <= nowMs then return nil end
  return '=' .. epoch .. ':' .. offset
end
local function firstUnder(key)
  return saidBy(redis.call('GET', ARGV[9] .. key))
end
local function remember(key, offset)
  redis.call('SET', ARGV[9] .. key, t.e .. ' ' .. int(offset) .. ' ' .. till, 'PX', lifeMs)
end
-- Both in one command, for whoever accepts what has no first one.
local function claim(key, offset)
  local known = redis.call('SET', ARGV[9] .. key, t.e .. ' ' .. int(offset) .. ' ' .. till,
    'PX', lifeMs, 'NX', 'GET')
  if not known then return nil end
  local said = saidBy(known)
  if not said then remember(key, offset) end
  return said
end
`;

/**
 * KEYS: meta, lease, stream, ledger. The rule: size, ttl, maxBytes, then the oldest timestamp, the number of publications, and
 * the packed array of them. Where one has an idempotency key, two packed arrays more: the keys, empty for none, and the
 * publications' lengths, to take those apart that are new. Each argument costs Redis and the node more than its bytes.
 */
const appendStream = `${prelude}${trimming}${batches}${appendOpening}
local size, keepMs, maxBytes, oldest = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14]
local count, body, outcomes = tonumber(ARGV[15]), ARGV[16], ''
if ARGV[17] then
${idempotency}
  local keys, said, fresh = cmsgpack.unpack(ARGV[17]), {}, 0
  for i = 1, count do
    local known = keys[i] ~= '' and claim(keys[i], t.s + fresh + 1)
    if known then
      said[i], outcomes = known, nil
    else
      said[i], fresh = '+', fresh + 1
    end
  end
  if outcomes == nil then
    outcomes = table.concat(said, ' ')
    local lengths, items, at = cmsgpack.unpack(ARGV[18]), {}, 1 + #arrayHead(count)
    for i = 1, count do
      if said[i] == '+' then items[#items + 1] = string.sub(body, at, at + lengths[i] - 1) end
      at = at + lengths[i]
    end
    count, body = fresh, arrayHead(fresh) .. table.concat(items)
  end
end
local s = t.s + count
local bytes = t.y
if count > 0 then
  local payload = envelope(ARGV[8], t.e, first, body)
  redis.call('RPUSH', KEYS[4], int(s) .. ' ' .. #payload .. ' ' .. oldest)
  local kept, least = trim(KEYS[3], KEYS[4], s, bytes + #payload, size, keepMs, maxBytes, tonumber(now))
  if least then redis.call('XADD', KEYS[3], 'MINID', least, int(s) .. '-0', 'd', payload)
  elseif kept > 0 then redis.call('XADD', KEYS[3], int(s) .. '-0', 'd', payload) end
  if isStale or bytes == 0 then
    -- It is the caller's clock that judges an entry's age, and this one only cleans up.
    redis.call('PEXPIRE', KEYS[3], int(keepMs + 60000))
    redis.call('PEXPIRE', KEYS[4], int(keepMs + 60000))
  end
  bytes = kept
  redis.call('PUBLISH', ARGV[7], payload)
end
redis.call('HSET', meta, 's', int(s), 'y', int(bytes), 'x', int(t.x),
  field, record(ARGV[3], t.e, first, count, now, outcomes))
if isStale then redis.call('PEXPIRE', meta, ttl) end
return { 1, t.e, first, count, outcomes }
`;

/**
 * KEYS: meta, lease, values, offsets, removals. The rule: maxKeys, removal ttl, then the number of publications, and for each
 * its idempotency key, its key, 1 where it is a removal, and itself.
 */
const appendLatest = `${prelude}${forgetting}${batches}${appendOpening}${idempotency}
local values, offsets, removals = KEYS[3], KEYS[4], KEYS[5]
local maxKeys, removalTtl, count = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local items, said, outcomes = {}, {}, ''
for i = 1, count do
  local at = 10 + 4 * i
  local key, name, removed, item = ARGV[at], ARGV[at + 1], ARGV[at + 2] == '1', ARGV[at + 3]
  local known = key ~= '' and firstUnder(key)
  local isNew = not removed and
    (not redis.call('ZSCORE', offsets, name) or redis.call('ZSCORE', removals, name))
  if known then
    said[i], outcomes = known, nil
  elseif isNew and redis.call('ZCARD', offsets) - redis.call('ZCARD', removals) >= maxKeys then
    said[i], outcomes = '!', nil
  else
    items[#items + 1], said[i] = item, '+'
    local offset = int(t.s + #items)
    redis.call('HSET', values, name, item)
    redis.call('ZADD', offsets, offset, name)
    if removed then redis.call('ZADD', removals, offset, name) else redis.call('ZREM', removals, name) end
    if key ~= '' then remember(key, t.s + #items) end
    forget(meta, values, offsets, removals, maxKeys, removalTtl, tonumber(now))
  end
end
if outcomes == nil then outcomes = table.concat(said, ' ') end
local accepted = #items
local s = t.s + accepted
if accepted > 0 then
  redis.call('PUBLISH', ARGV[7], envelope(ARGV[8], t.e, first, arrayHead(accepted) .. table.concat(items)))
  -- A key that was gone and came back has no end.
  if isStale or redis.call('PTTL', values) < 0 or redis.call('PTTL', removals) == -1 then
    for i = 3, 5 do redis.call('PEXPIRE', KEYS[i], ttl) end
  end
end
redis.call('HSET', meta, 's', int(s), 'x', int(t.x),
  field, record(ARGV[3], t.e, first, accepted, now, outcomes))
if isStale then redis.call('PEXPIRE', meta, ttl) end
return { 1, t.e, first, accepted, outcomes }
`;

/**
 * Entries that reach beyond offset \`after\`: until \`limit\` publications or about \`maxBytes\` are there. How large an entry is
 * shows only when it was read, so it begins with few.
 */
const reading = `
local function entriesAfter(stream, after, limit, maxBytes)
  local found, bytes, chunk, from = {}, 0, 4, int(after + 1) .. '-0'
  while true do
    local entries = redis.call('XRANGE', stream, from, '+', 'COUNT', chunk)
    for _, entry in ipairs(entries) do
      found[#found + 1] = entry[2][2]
      bytes = bytes + #entry[2][2]
      from = '(' .. entry[1]
      if bytes >= maxBytes or tonumber(string.match(entry[1], '^%d+')) >= after + limit then return found end
    end
    if #entries < chunk then return found end
    chunk = math.min(64, chunk * 2)
  end
end
local function newestEntries(stream, after, maxBytes)
  local found, bytes, chunk, to = {}, 0, 4, '+'
  while true do
    local entries = redis.call('XREVRANGE', stream, to, int(after + 1) .. '-0', 'COUNT', chunk)
    for _, entry in ipairs(entries) do
      table.insert(found, 1, entry[2][2])
      bytes = bytes + #entry[2][2]
      to = '(' .. entry[1]
      if bytes >= maxBytes then return found end
    end
    if #entries < chunk then return found end
    chunk = math.min(64, chunk * 2)
  end
end
`;

/**
 * KEYS: meta, stream, ledger. ARGV: new epoch, position ttl, since epoch, since offset, limit, maxBytes. The reply: {epoch,
 * offset, b, p, entries}. Without a since epoch there are none. What the rule no longer shows but is still there is
 * told too: whoever misses it was there when it was published.
 */
const followStream = `${prelude}${reading}
local t = open(KEYS[1], read(KEYS[1]), ARGV[1], { KEYS[2], KEYS[3] })
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local since, after, found = ARGV[3], tonumber(ARGV[4]), {}
if since ~= '' then
  if since ~= t.e and since ~= t.p then after = t.b end
  if after < t.s then found = entriesAfter(KEYS[2], after, tonumber(ARGV[5]), tonumber(ARGV[6])) end
end
return { t.e, t.s, t.b, t.p, found }
`;

/**
 * KEYS: meta, values, offsets, removals. ARGV: new epoch, position ttl, since epoch, since offset, maxKeys, removal
 * ttl, now. The reply: {epoch, offset, b, p, forgotten offset, whether the values are all there are, [offset, item…]}. They are
 * all of them where the caller may know a key that is gone.
 */
const followLatest = `${prelude}${forgetting}
local t = open(KEYS[1], read(KEYS[1]), ARGV[1], { KEYS[2], KEYS[3], KEYS[4] })
forget(KEYS[1], KEYS[2], KEYS[3], KEYS[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
local forgotten = tonumber(redis.call('HGET', KEYS[1], 'f') or '0')
local after = tonumber(ARGV[4])
local whole = ARGV[3] ~= t.e or after < forgotten or after > t.s
if whole then after = 0 end
local found = {}
local names = redis.call('ZRANGE', KEYS[3], '(' .. int(after), '+inf', 'BYSCORE', 'WITHSCORES')
for i = 1, #names, 2 do
  local item = redis.call('HGET', KEYS[2], names[i])
  if item then
    found[#found + 1] = tonumber(names[i + 1])
    found[#found + 1] = item
  end
end
return { t.e, t.s, t.b, t.p, forgotten, whole and 1 or 0, found }
`;

/**
 * KEYS: meta, stream, ledger. ARGV: new epoch, position ttl, after (empty: the newest), limit, maxBytes, size, ttl, maxBytes
 * kept, now. The reply: {epoch, offset, entries}. Nothing is stored for a topic that is not there.
 */
const history = `${prelude}${trimming}${reading}
local m = read(KEYS[1])
if not m[1] then return { ARGV[1], 0, {} } end
local t = open(KEYS[1], m, ARGV[1], { KEYS[2], KEYS[3] })
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local size, limit = tonumber(ARGV[6]), tonumber(ARGV[4])
local keepMs, keptBytes, now = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local bytes, least = trim(KEYS[2], KEYS[3], t.s, t.y, size, keepMs, keptBytes, now)
if least then redis.call('XTRIM', KEYS[2], 'MINID', least) end
if bytes ~= t.y then redis.call('HSET', KEYS[1], 'y', int(bytes)) end
local from = math.max(0, t.s - size)
if ARGV[3] == '' then
  return { t.e, t.s, newestEntries(KEYS[2], math.max(from, t.s - limit), tonumber(ARGV[5])) }
end
local after = math.max(from, tonumber(ARGV[3]))
if after >= t.s or limit < 1 then return { t.e, t.s, {} } end
return { t.e, t.s, entriesAfter(KEYS[2], after, limit, tonumber(ARGV[5])) }
`;

export const topicScripts = { appendStream, appendLatest, followStream, followLatest, history } as const;
