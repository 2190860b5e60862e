-- SPDX-License-Identifier: MIT
--
-- Ends a lease: design, section 3, release.

return operation(function()
  local id, token, strict, last_used_ms = tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1', tonumber(ARGV[7])
  write_though_memory_is_full()
  local cluster = open_cluster()
  local record = owned_record(cluster, id, token)
  if record.released then return {'released'} end
  if strict then refuse_ended(cluster, record) end
  if last_used_ms then
    if last_used_ms > record.last_ms then answer('timestamp_above', record.last_ms) end
    record.last_ms = math.max(last_used_ms, record.first_ms - 1)
  end
  record.released = true
  record.lease_end_ms = math.min(record.lease_end_ms, cluster.clock_ms)
  record.free_at_ms = cluster.clock_ms + cluster.cool_down_ms
  save_record(record)
  return {'released'}
end)
