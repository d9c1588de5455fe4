// The scripts by which server instances tell each other who is in a topic; what they read and write is in store-presence.ts.

/** Ends both ways of telling: the revision stands where somebody is left, and the others hear of it. Answers 1 or 3. */
const told = `
local function told(isLeft, instance, topic, revision, envelope)
  if isLeft then
    redis.call('HSET', KEYS[2], instance, revision)
    redis.call('SADD', KEYS[4], topic)
  else
    redis.call('HDEL', KEYS[2], instance)
    redis.call('SREM', KEYS[4], topic)
  end
  redis.call('PUBLISH', KEYS[5], envelope)
  return isLeft and 1 or 3
end
`;

/**
 * Some sessions came or went. The reply: 0 the lease is another's (fenced); 1 done; 2 what Redis knows of this instance is not
 * what the change begins from, and nothing was done; 3 done, and nobody of this instance is left in the topic.
 */
const changePresence = `${told}
-- KEYS: lease, revisions, sessions, topics, channel.
-- ARGV: fence, instance, topic, revision before, revision, envelope, number of exits, exits…, (session, member)…
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[2], ARGV[2]) or '0') ~= ARGV[4] then return 2 end
local exits = tonumber(ARGV[7])
if exits > 0 then redis.call('HDEL', KEYS[3], unpack(ARGV, 8, 7 + exits)) end
if #ARGV > 7 + exits then redis.call('HSET', KEYS[3], unpack(ARGV, 8 + exits)) end
return told(redis.call('EXISTS', KEYS[3]) == 1, ARGV[2], ARGV[3], ARGV[5], ARGV[6])
`;

/**
 * All sessions of an instance in a topic, in pages that are put aside until the last one is there: nobody ever reads half of
 * them. The replies are those of changePresence; 2 means that a page is missing.
 */
const replacePresence = `${told}
-- KEYS: lease, revisions, sessions, topics, channel, pages.
-- ARGV: fence, instance, topic, revision, envelope, isFirst, sessions in all at the last page or -1, (session, member)…
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[6] == '1' then redis.call('UNLINK', KEYS[6]) end
if #ARGV > 7 then redis.call('HSET', KEYS[6], unpack(ARGV, 8)) end
if ARGV[7] == '-1' then
  redis.call('PEXPIRE', KEYS[6], 60000)
  return 1
end
if redis.call('HLEN', KEYS[6]) ~= tonumber(ARGV[7]) then
  redis.call('UNLINK', KEYS[6])
  return 2
end
redis.call('UNLINK', KEYS[3])
local isLeft = ARGV[7] ~= '0'
if isLeft then
  redis.call('PERSIST', KEYS[6])
  redis.call('RENAME', KEYS[6], KEYS[3])
end
return told(isLeft, ARGV[2], ARGV[3], ARGV[4], ARGV[5])
`;

/**
 * Who is in a topic. The reply is a flat list of the instances whose lease runs: instance, revision, and its sessions as
 * [session, member, …]; 0 in their place where the asker knows that revision, and 1 where they are too many for one answer.
 */
const readPresence = `
-- KEYS: revisions. ARGV: what leases' keys begin with, what sessions' keys begin with, topic, most sessions,
-- (instance, known revision)…
local known = {}
for i = 5, #ARGV, 2 do known[ARGV[i]] = ARGV[i + 1] end
local room = tonumber(ARGV[4])
local found = {}
local revisions = redis.call('HGETALL', KEYS[1])
for i = 1, #revisions, 2 do
  local instance, revision = revisions[i], revisions[i + 1]
  if redis.call('EXISTS', ARGV[1] .. instance) == 1 then
    local sessions = 0
    if known[instance] ~= revision then
      local key = ARGV[2] .. instance .. ':' .. ARGV[3]
      local size = redis.call('HLEN', key)
      if size > room then sessions = 1
      else
        room = room - size
        sessions = redis.call('HGETALL', key)
      end
    end
    found[#found + 1] = instance
    found[#found + 1] = revision
    found[#found + 1] = sessions
  end
end
return found
`;

/** A page of the sessions of one instance in one topic: the next cursor ("0" after the last page), [session, member, …]. */
const scanPresence = `
-- KEYS: sessions. ARGV: cursor, about how many.
return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
`;

/** A page of the topics in which Redis knows sessions of an instance: the next cursor, the topics. */
const scanPresenceTopics = `
-- KEYS: topics. ARGV: cursor, about how many.
return redis.call('SSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
`;

/** The reply is a flat list: an instance, the milliseconds left of its lease (negative: it has none), the next and so on. */
const readLeases = `
-- KEYS: instances. ARGV: what leases' keys begin with.
local found = {}
for _, instance in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  found[#found + 1] = instance
  local left = redis.call('PTTL', ARGV[1] .. instance)
  -- A lease that never ends is none of ours to end.
  if left == -1 then left = 1000000 end
  found[#found + 1] = left
end
return found
`;

/** Removes what an instance without a lease left in some topics; pages expire. The reply is 1 as long as there is more. */
const purgePresence = `
-- KEYS: lease, topics, instances. ARGV: what the keys of revisions and of sessions begin with, most topics, instance.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for _, topic in ipairs(redis.call('SPOP', KEYS[2], ARGV[3])) do
  redis.call('HDEL', ARGV[1] .. topic, ARGV[4])
  redis.call('UNLINK', ARGV[2] .. ARGV[4] .. ':' .. topic)
end
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
redis.call('SREM', KEYS[3], ARGV[4])
return 0
`;

export const presenceScripts = {
  changePresence,
  replacePresence,
  readPresence,
  scanPresence,
  scanPresenceTopics,
  readLeases,
  purgePresence,
} as const;

export type PresenceScript = keyof typeof presenceScripts;
