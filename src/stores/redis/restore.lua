-- SPDX-License-Identifier: MIT
--
-- Registers a lease anew that the server lost: design, section 3, restore; safety, R1 to R4.

return operation(function()
  local id, token, epoch = tonumber(ARGV[9]), ARGV[10], tonumber(ARGV[11])
  local first_ms, last_ms, instance, owner = tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14], ARGV[15]

  local history = read_history()
  local cluster = open_cluster()
  if not cluster then
    cluster = new_cluster(configuration_asked_for())
    if leftovers() then rebuild(cluster) end
  end
  check_range(cluster, id)
  repair(cluster)

  local found = find(id)
  local owned = found and found.token == token
  local forgotten = not found or (not owned and found.epoch < epoch)
  notice_loss(cluster, epoch, history)
  -- R2: what was written since the loss is true.
  local true_record = found and found.incarnation_began == cluster.incarnation_began
  if found and (not forgotten or true_record) then check_owner(found, token) end
  if owned and found.released then answer('released_before') end
  if forgotten and not holds_back(cluster) then hold_back(cluster, 0) end

  if not found then cluster.granted = cluster.granted + 1 end
  local record = found or {
    id = id, epoch = 0, last_ms = 0, lease_end_ms = cluster.clock_ms, free_at_ms = cluster.clock_ms,
  }
  record.token, record.instance, record.owner, record.released = token, instance, owner, false
  record.epoch = math.max(record.epoch, epoch)
  record.first_ms, record.last_ms = first_ms, math.max(record.last_ms, last_ms)
  extend(cluster, record)
  save_cluster(cluster)
  save_record(record)
  return grant(cluster, record)
end)
