-- SPDX-License-Identifier: MIT
--
-- Whether the clocks that come with an operation soon after the cluster's clock was saved show nothing
-- that advance_clock() would keep: the same conditions.
local function undisputed(cluster, lease_ms, passed, client_ms, boot_ms)
  local witness_boot_ms, latest_ms = struct.unpack('>dd', cluster, 113)
  if 8 * (math.min(client_ms, wall_ms + lease_ms) - latest_ms) > lease_ms then return false end
  if cluster:byte(-1) == 9 then return true end  -- No witness.
  return 8 * math.abs(client_ms - wall_ms) <= lease_ms and
    (4 * (boot_ms - witness_boot_ms - passed) <= lease_ms or
      cluster:sub(16 - #CLIENT) ~= CLIENT:sub(17))
end
