    -- SPDX-License-Identifier: MIT
    --
    -- For the quick paths, in place: whether the clocks that come with an operation, soon after the
    -- cluster's was saved, show nothing that advance_clock() would keep. The same conditions; but who is
    -- ahead by more than a lease time always goes there.
    local undisputed = 8 * (client_ms - latest_client_ms) <= lease_ms and
      (8 * math.abs(client_ms - wall_ms) <= lease_ms and
        (4 * (boot_ms - witness_boot_ms - passed) <= lease_ms or
          cluster:sub(16 - #CLIENT) ~= CLIENT:sub(17)) or  -- Of another machine.
        cluster:byte(-1) == 9)  -- There is no witness.
