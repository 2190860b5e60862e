-- SPDX-License-Identifier: MIT
--
-- Reads one page of a cluster, without the tokens. Writes nothing, so it works with the right to
-- read alone; the clock is shown as an operation now would find it.

return operation(function()
  local cursor, count = ARGV[4], ARGV[5]
  read_wall_clock()
  local cluster = read_cluster()
  if not cluster then return {'unknown_cluster'} end
  advance_clock(cluster)

  local scanned = call('HSCAN', RECORDS, cursor, 'COUNT', count)
  local rows = {}
  for index = 1, #scanned[2], 2 do
    local record = parse_record(whole(scanned[2][index]), scanned[2][index + 1])
    rows[#rows + 1] = {
      record.id, record.epoch, record.lease_end_ms, record.free_at_ms, record.first_ms,
      record.last_ms, record.released and 1 or 0, record.instance, record.owner,
    }
  end
  return {
    'page', scanned[1], rows, cluster.clock_ms, cluster.last_epoch, cluster.granted,
    cluster.hold_back_until_ms, configuration_of(cluster),
  }
end)
