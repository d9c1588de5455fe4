// The scripts by which server instances know of each other: leases that fence, the shard's id, the registry.

/** The reply is 1 where the instance has the lease under exactly this fence number from now on. */
const fence = `
-- KEYS: lease, instances. ARGV: instance, fence, leaseMs.
local held = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
-- What a stalled connection still had in it comes too late.
if held > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
`;

const renewLease = `
-- KEYS: lease, instances, registry entry. ARGV: instance, fence, leaseMs.
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
`;

const release = `
-- KEYS: lease, registry entry. ARGV: fence. It stays among the instances, so that others clear up what it left.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
`;

const claimId = `
-- KEYS: id. ARGV: candidate.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
`;

/** The reply is a flat list: an instance whose lease runs, its entry, the next instance and so on. */
const readRegistry = `
-- KEYS: instances. ARGV: what leases' keys begin with, what entries' keys begin with.
local found = {}
for _, instance in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local entry = redis.call('GET', ARGV[2] .. instance)
  if entry and redis.call('EXISTS', ARGV[1] .. instance) == 1 then
    found[#found + 1] = instance
    found[#found + 1] = entry
  end
end
return found
`;

export const instanceScripts = {
  fence,
  renewLease,
  release,
  claimId,
  readRegistry,
} as const;
