-- SPDX-License-Identifier: MIT
--
-- Registers a lease anew that the server lost: docs/guarantees.md, G7, R1 to R4.
--
-- ARGV: the grant: worker ID, epoch, first and last reserved timestamp; the token; the configuration;
-- the client; the instance; the owner.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[4]

-- common.lua

return operation(function()
  local id, epoch, first_ms, last_ms = struct.unpack('>dddd', ARGV[1])
  local token, instance, owner = ARGV[2], ARGV[5], ARGV[6]

  local own = unpack_configuration(ARGV[3])

  local history = read_history()
  check_permissions()
  local cluster = open_cluster()
  if not cluster then
    cluster = new_cluster(own)
    check_range(cluster, id)
    if leftovers() then rebuild(cluster) end
    save_cluster(cluster)
  end
  repair(cluster)

  local found = find(cluster, id)
  -- Who was granted it before a resize, or after one that was lost, goes on.
  if not found and not in_range(own, id) then check_range(cluster, id) end
  local owned = found and found.token == token
  local forgotten = not found or (not owned and found.epoch < epoch)
  notice_loss(cluster, epoch, history)
  -- R2: what was granted since the loss is true, and of two that are restored the later grant: it was
  -- made when the earlier promise was over.
  if found and (not forgotten or granted_in_this_incarnation(cluster, found)) then
    check_owner(found, token)
  end
  if owned and found.released then answer('released_before') end
  if forgotten and not holds_back(cluster) then hold_back(cluster, 0) end

  if not found then cluster.granted = cluster.granted + 1 end
  local record = found or {id = id, epoch = 0, last_ms = 0, free_at_ms = cluster.now_ms}
  if not owned then replace_holder(cluster, record) end
  record.token, record.instance, record.owner, record.released = token, instance, owner, false
  record.epoch = math.max(record.epoch, epoch)
  -- One that comes late must not give a later grant the range of an earlier one (G3, G8).
  record.first_ms = owned and math.max(record.first_ms, first_ms) or first_ms
  record.last_ms = math.max(record.last_ms, last_ms)
  extend(cluster, record)
  save_cluster(cluster)
  save_record(record)
  return grant(cluster, record)
end)
