-- SPDX-License-Identifier: MIT
--
-- Gives a cluster another range. Its records stay, also those outside the range.
--
-- ARGV: the lowest and the highest worker ID; the client.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[2]

-- common.lua

return operation(function()
  local low, high = struct.unpack('>dd', ARGV[1])
  write_though_memory_is_full()
  check_permissions()
  local cluster = open_cluster()
  if not cluster then answer('unknown_cluster') end
  if low < cluster.min then  -- Some of those below the former range may never have been granted.
    cluster.next_fresh = low
  else
    cluster.next_fresh = math.max(low, math.min(cluster.next_fresh, high + 1))
  end
  cluster.min, cluster.max = low, high
  save_cluster(cluster)
  return {'resized', configuration_of(cluster)}
end)
