-- SPDX-License-Identifier: MIT
--
-- Extends a lease, or resumes it under a new epoch: design, section 3, renew.
--
-- ARGV: the worker ID; a byte 0 and the token, as the record of a lease begins; the kind of renewal;
-- the client.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[4]

-- The quick path, nearly always taken: a lease that is held, with the times of the cluster, little time
-- since the clock was saved, and no clock that disputes it. Its reserved timestamps move on with it, so
-- the order is all that is written; if they are ahead, as soon after a release, they wait for it.
if ARGV[3] == 'held' then
  local cluster, record = redis.pcall('HGET', KEYS[1], ''), redis.pcall('HGET', KEYS[1], ARGV[1])
  if type(cluster) == 'string' and #cluster > 128 and record and #record > 57 and
    record:find(ARGV[2], 1, true) == 1 then
    local lease_ms, reuse_delay_ms, _, format, _, last_wall_ms, clock_ms, _, _, witness_boot_ms,
      latest_client_ms = struct.unpack('>ddddddddddd', cluster, 41)
    local epoch, first_ms, lead_ms = struct.unpack('>ddd', record, 18)
    local its_lease_ms, its_reuse_delay_ms = struct.unpack('>I4I4', record, 50)
    local passed = wall_ms - last_wall_ms
    local now_ms = clock_ms + passed
    local client_ms, boot_ms = struct.unpack('>dd', CLIENT)
    -- undisputed.lua
    local believed_ms = math.max(0, math.min(client_ms, wall_ms + 60000))
    local ahead_ms = lead_ms + now_ms - believed_ms
    if format == 6 and its_lease_ms == lease_ms and its_reuse_delay_ms == reuse_delay_ms and
      passed >= 0 and 16 * (passed + 1) <= lease_ms and undisputed and -ahead_ms * 64 <= lease_ms then
      local lease_end_ms = now_ms + lease_ms
      local free_at_ms = lease_end_ms + reuse_delay_ms
      local written, moved = true, false
      if ahead_ms * 64 > lease_ms then
        local former_ms = tonumber(redis.pcall('ZSCORE', KEYS[2], ARGV[1]))
        written = former_ms and former_ms <= free_at_ms
        if written then
          lead_ms = math.max(former_ms - reuse_delay_ms + lead_ms, believed_ms + lease_ms) -
            lease_end_ms
          written = redis.pcall('HSET', KEYS[1], ARGV[1],
            record:sub(1, 33) .. struct.pack('>d', lead_ms) .. record:sub(42)) == 0
          moved = written
        end
      end
      if written and (redis.pcall('ZADD', KEYS[2], 'XX', 'GT', 'CH', free_at_ms, ARGV[1]) == 1 or
        tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1])) == free_at_ms) then
        return struct.pack('>ddddd', struct.unpack('>I4', ARGV[1]), epoch, first_ms,
          lease_end_ms + lead_ms, lease_ms)
      end
      if moved then redis.pcall('HSET', KEYS[1], ARGV[1], record) end  -- Not allowed, or disputed.
    end
  end
end

-- common.lua

return operation(function()
  local id, token, renewal = struct.unpack('>I4', ARGV[1]), ARGV[2]:sub(2), ARGV[3]
  write_though_memory_is_full()
  check_permissions()
  local cluster = open_cluster()
  local record = owned_record(cluster, id, token)
  if record.released then answer('released_before') end
  if renewal ~= 'held' then
    -- Only who is known to be valid may be extended while others may hold the ID (R3).
    notice_loss(cluster, 0, read_history())
    if holds_back(cluster) then refuse_holding_back(cluster) end
  end
  if renewal == 'strict' then
    refuse_ended(cluster, record)
    -- Who does not know whether its own validity runs may have lapsed long ago, and others have had the
    -- ID in what was lost (R3).
    if not granted_in_this_incarnation(cluster, record) then answer('of_former_incarnation') end
  end
  if renewal == 'resume' then
    check_range(cluster, id)
    grant_anew(cluster, record)
    save_cluster(cluster)
  else
    extend(cluster, record)
  end
  save_record(record)
  return grant(cluster, record)
end)
