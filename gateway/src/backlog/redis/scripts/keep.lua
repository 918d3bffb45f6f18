-- keep: creates the meta where there is none, and refreshes the expiry of both keys.
-- ARGV: expiry ms.

local meta, failed = load_meta()
failed = failed or ensure(meta, identity(), tonumber(ARGV[1]))
if failed then
  return failed
end
refresh(meta, tonumber(ARGV[1]))
return 1
