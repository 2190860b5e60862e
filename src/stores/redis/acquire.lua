-- SPDX-License-Identifier: MIT
--
-- Grants a worker ID: design, section 3, acquire.

return operation(function()
  local token, instance, takeover, owner = ARGV[9], ARGV[10], ARGV[11] == '1', ARGV[12]
  local wanted = {}
  for index, name in ipairs(CONFIGURATION) do wanted[name] = tonumber(ARGV[index + 3]) end

  local cluster = open_cluster() or new_cluster(wanted)
  for _, name in ipairs(CONFIGURATION) do
    if cluster[name] ~= wanted[name] then answer('other_configuration', configuration_of(cluster)) end
  end
  -- A record is never deleted: one that is missing was lost, and its holder may still be there.
  local granted = cluster.next_fresh - cluster.min
  if call('HLEN', RECORDS) ~= granted then damaged(RECORDS, 'the number of records') end
  if call('ZCARD', ORDER) ~= granted then damaged(ORDER, 'the number of entries') end

  local record = find_by(TOKENS, 'token', token)
  if record then -- G5: the same grant again
    if record.released then answer('token_used_up') end
    extend(cluster, record)
    save_record(record)
    return grant(cluster, record)
  end

  record = find_by(INSTANCES, 'instance', instance)
  if not record or not (takeover or cluster.clock_ms >= record.free_at_ms) then
    if cluster.next_fresh <= cluster.max then
      record = {id = cluster.next_fresh, last_ms = 0}
      cluster.next_fresh = cluster.next_fresh + 1
    else
      local longest_free = whole(call('ZRANGE', ORDER, 0, 0)[1])
      record = longest_free and find(longest_free)
      if not record then damaged(ORDER, 'the entry of the ID that is free for the longest') end
      if cluster.clock_ms < record.free_at_ms then
        answer('all_taken', cluster.max - cluster.min + 1, record.free_at_ms - cluster.clock_ms)
      end
    end
  end

  record.token, record.instance, record.owner, record.released = token, instance, owner, false
  -- A takeover shortens what was promised to a holder that is known to be gone.
  record.lease_end_ms, record.free_at_ms = cluster.clock_ms, cluster.clock_ms
  grant_anew(cluster, record)
  save_cluster(cluster)
  save_record(record)
  return grant(cluster, record)
end)
