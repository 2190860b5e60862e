-- SPDX-License-Identifier: MIT
--
-- Ends a lease: design, section 3, release.
--
-- ARGV: the worker ID; a byte 0 and the token, as the record of a lease begins; 1 for strict; the last
-- timestamp used, or nothing; the client.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[5]

-- The quick path: little time passed since the clock was saved, and nothing speaks against it. (Only the
-- cool-down hangs on the clock, so it is not asked whether another clock disputes it.)
do
  local cluster, record = redis.pcall('HGET', KEYS[1], ''), redis.pcall('HGET', KEYS[1], ARGV[1])
  if type(cluster) == 'string' and #cluster > 128 and record and #record > 57 and
    record:find(ARGV[2], 1, true) == 1 then
    local lease_ms, _, cool_down_ms, format, _, last_wall_ms, clock_ms =
      struct.unpack('>ddddddd', cluster, 41)
    local passed = wall_ms - last_wall_ms
    if format == 6 and passed >= 0 and 16 * (passed + 1) <= lease_ms then
      local now_ms, last_used_ms = clock_ms + passed, tonumber(ARGV[4])
      local first_ms, lead_ms, floor_ms, _, reuse_delay_ms = struct.unpack('>dddI4I4', record, 26)
      local new_free_at_ms, last_ms = math.max(now_ms + cool_down_ms, floor_ms), nil
      if ARGV[3] == '0' and last_used_ms and last_used_ms < first_ms then
        last_ms = first_ms - 1  -- None was used, wherever the lease ends.
      else
        local free_at_ms = tonumber(redis.pcall('ZSCORE', KEYS[2], ARGV[1]))
        local lease_end_ms = free_at_ms and free_at_ms - reuse_delay_ms
        if lease_end_ms and (ARGV[3] == '0' or now_ms < lease_end_ms) then
          last_ms = lease_end_ms + lead_ms
          if last_used_ms then
            last_ms = last_used_ms <= last_ms and math.max(last_used_ms, first_ms - 1)
          end
        end
      end
      if last_ms and redis.pcall('HSET', KEYS[1], ARGV[1], '\1' .. record:sub(2, 33) ..
          struct.pack('>d', last_ms - (new_free_at_ms - reuse_delay_ms)) .. record:sub(42)) == 0 then
        if redis.pcall('ZADD', KEYS[2], 'XX', 'CH', new_free_at_ms, ARGV[1]) == 1 then
          return {'released'}
        end
        redis.pcall('HSET', KEYS[1], ARGV[1], record)  -- Not allowed, or not in the order.
      end
    end
  end
end

-- common.lua

return operation(function()
  local id, token = struct.unpack('>I4', ARGV[1]), ARGV[2]:sub(2)
  local strict, last_used_ms = ARGV[3] == '1', tonumber(ARGV[4])
  write_though_memory_is_full()
  check_permissions()
  local cluster = open_cluster()
  local record = owned_record(cluster, id, token)
  if record.released then return {'released'} end
  if strict then refuse_ended(cluster, record) end
  if last_used_ms then
    if last_used_ms > record.last_ms then answer('timestamp_above', record.last_ms) end
    record.last_ms = math.max(last_used_ms, record.first_ms - 1)
  end
  record.released = true
  record.free_at_ms = math.max(cluster.now_ms + cluster.cool_down_ms, record.floor_ms)
  save_record(record)
  return {'released'}
end)
