# What a key server's client, and its server, can be sent; and files. The library is tls.cmake's.
foreach(_part server client message local)
  add_executable(fuzz_keys_${_part} ${CMAKE_CURRENT_LIST_DIR}/keys_${_part}.c)
  target_compile_options(fuzz_keys_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_keys_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_keys_${_part} PRIVATE kiln_fuzzed_lib)
endforeach()
target_sources(fuzz_keys_server PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit/keys_store.c)
target_include_directories(fuzz_keys_server PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
