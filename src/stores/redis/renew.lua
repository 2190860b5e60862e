-- SPDX-License-Identifier: MIT
--
-- Extends a lease, or resumes it under a new epoch: design, section 3, renew.

return operation(function()
  local id, token, renewal = tonumber(ARGV[4]), ARGV[5], ARGV[6]
  write_though_memory_is_full()
  local cluster = open_cluster()
  local record = owned_record(cluster, id, token)
  if record.released then answer('released_before') end
  if renewal ~= 'held' then
    -- Only who is known to be valid may be extended while others may hold the ID (R3).
    notice_loss(cluster, 0, read_history())
    if holds_back(cluster) then refuse_holding_back(cluster) end
  end
  if renewal == 'strict' then refuse_ended(cluster, record) end
  if renewal == 'resume' then
    grant_anew(cluster, record)
    save_cluster(cluster)
  else
    extend(cluster, record)
  end
  save_record(record)
  return grant(cluster, record)
end)
