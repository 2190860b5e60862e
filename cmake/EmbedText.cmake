# Makes a C++ source of the Redis scripts, so that nothing has to be installed or found beside the
# library. Run as
#   cmake -DOUTPUT=scripts.cpp -DFOLDER=src/stores/redis -P EmbedText.cmake
# Each script is its own file with common.lua and undisputed.lua in their places; a server names it by
# the SHA1 of the text.
file(READ "${FOLDER}/common.lua" common)
file(READ "${FOLDER}/undisputed.lua" undisputed)
set(source "// Made from the .lua files by cmake/EmbedText.cmake: edit those.\n")
string(APPEND source "#include \"stores/redis/scripts.hpp\"\n\nnamespace workerid::detail::redis {\n\n")
foreach(name IN ITEMS acquire renew restore release inspect resize evict)
  file(READ "${FOLDER}/${name}.lua" own)
  string(REPLACE "-- common.lua\n" "${common}" script "${own}")
  string(REPLACE "    -- undisputed.lua\n" "${undisputed}" script "${script}")
  string(SHA1 sha1 "${script}")
  string(APPEND source
    "const Script ${name}_script{\n    \"${sha1}\",\n    R\"lua(${script})lua\"};\n\n")
endforeach()
string(APPEND source "}  // namespace workerid::detail::redis\n")
file(WRITE "${OUTPUT}" "${source}")
