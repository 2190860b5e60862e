-- SPDX-License-Identifier: MIT
--
-- Grants a worker ID: design, section 3, acquire.
--
-- A cluster that is not there was never there, or was lost. Whether it was seen before in this life of
-- the server, its script cache tells, which no FLUSHALL empties: clients keep a script there that bears
-- the cluster's name. A script cannot look into the cache, so it sends the client to ask (ARGV[16]).

-- How long ago the server may have lost the cluster, or nil if it tells nothing (G7 is off).
local function lost_ago_ms(history, asked)
  if history.incarnation == '' then return nil end
  if history.promoted or asked == 'seen' or history.evicted() then return 0 end
  if asked ~= history.incarnation then
    answer('unknown_cluster', redis.sha1hex(ARGV[15]), history.incarnation)
  end
  return history.uptime_ms  -- It started without it.
end

return operation(function()
  local token, instance, takeover, owner = ARGV[9], ARGV[10], ARGV[11] == '1', ARGV[12]
  local fresh, seen_epoch = ARGV[13] == '1', tonumber(ARGV[14])
  local wanted = configuration_asked_for()

  local history = read_history()
  local cluster = open_cluster()
  if not cluster then
    cluster = new_cluster(wanted)
    if leftovers() then
      rebuild(cluster)
    elseif seen_epoch > 0 then
      hold_back(cluster, 0)
    elseif not fresh then
      local ago_ms = lost_ago_ms(history, ARGV[16])
      if ago_ms then hold_back(cluster, ago_ms) end
    end
  end
  for _, name in ipairs(CONFIGURATION) do
    if cluster[name] ~= wanted[name] then answer('other_configuration', configuration_of(cluster)) end
  end
  repair(cluster)
  notice_loss(cluster, seen_epoch, history)
  -- A lease that was granted or restored would belie it, and so does who saw one.
  if fresh and seen_epoch == 0 and cluster.granted == 0 and
    cluster.last_epoch == cluster.incarnation_began then
    cluster.hold_back_until_ms, cluster.lost_timestamps_ms = cluster.clock_ms, 0
  end
  if holds_back(cluster) then refuse_holding_back(cluster) end

  local record = find_by(TOKENS, 'token', token)
  if record then -- G5: the same grant again
    if record.released then answer('token_used_up') end
    if record.incarnation_began == cluster.incarnation_began then
      extend(cluster, record)
    else  -- Who was granted it next, and reserved what, may have been lost.
      grant_anew(cluster, record)
    end
    save_cluster(cluster)
    save_record(record)
    return grant(cluster, record)
  end

  record = find_by(INSTANCES, 'instance', instance)
  if not record or not (takeover or cluster.clock_ms >= record.free_at_ms) then
    -- Some of those that were never granted in this incarnation were restored.
    while call('HEXISTS', RECORDS, text(cluster.next_fresh)) == 1 do
      cluster.next_fresh = cluster.next_fresh + 1
    end
    if cluster.next_fresh <= cluster.max then
      record = {id = cluster.next_fresh, last_ms = 0}
      cluster.next_fresh = cluster.next_fresh + 1
      cluster.granted = cluster.granted + 1
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
