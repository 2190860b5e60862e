-- SPDX-License-Identifier: MIT
--
-- Reads one page of a cluster, or the lease of an instance, without the tokens. Writes nothing, so it
-- works with the right to read alone; the clock is shown as an operation now would find it.
--
-- ARGV: the cursor; how many fields to look at; the client; the instance, or nothing for all.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[3]

-- common.lua

return operation(function()
  local cluster = read_cluster()
  if not cluster then return {'unknown_cluster'} end
  advance_clock(cluster)

  local scanned
  if ARGV[4] == '' then
    scanned = call('HSCAN', CLUSTER, ARGV[1], 'COUNT', ARGV[2])
  else
    local key = call('HGET', INSTANCES, ARGV[4])
    local record = key and call('HGET', CLUSTER, key)
    scanned = {'0', record and {key, record} or {}}
  end
  local rows = {}
  for index = 1, #scanned[2], 2 do
    local key = scanned[2][index]
    if #key == 4 then
      local record = unpack_record(key, scanned[2][index + 1],
        call('ZSCORE', ORDER, key) or latest_free_at_ms(cluster))
      rows[#rows + 1] = {
        record.id, record.epoch, record.lease_end_ms, record.free_at_ms, record.first_ms,
        record.last_ms, record.released and 1 or 0, record.instance, record.owner,
      }
    end
  end
  return {
    'page', scanned[1], rows, cluster.now_ms, cluster.last_epoch, cluster.granted,
    cluster.hold_back_until_ms, configuration_of(cluster),
  }
end)
