-- SPDX-License-Identifier: MIT
--
-- Ends a lease whoever holds it: its ID comes free no sooner than without it.
--
-- ARGV: the worker ID; the epoch of the lease that is meant; the client.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[3]

-- common.lua

return operation(function()
  local id, epoch = struct.unpack('>I4', ARGV[1]), struct.unpack('>d', ARGV[2])
  write_though_memory_is_full()
  check_permissions()
  local cluster = open_cluster()
  if not cluster then answer('unknown_cluster') end
  local record = find(cluster, id)
  if not record then
    check_range(cluster, id)
    answer('never_granted')
  end
  if record.epoch ~= epoch then answer('another_epoch', record.epoch) end
  if cluster.now_ms >= record.free_at_ms then answer('free') end
  if not record.released then
    record.released = true  -- G1: the former holder may be valid to the end of its lease.
    save_record(record)
  end
  return {'evicted', record.free_at_ms - cluster.now_ms}
end)
