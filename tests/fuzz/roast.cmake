# What a Roast peer can send before anybody knows it; the library is tls.cmake's.
foreach(_part hello payload)
  add_executable(fuzz_roast_${_part} ${CMAKE_CURRENT_LIST_DIR}/roast_${_part}.c)
  target_compile_options(fuzz_roast_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_roast_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_roast_${_part} PRIVATE kiln_fuzzed_lib)
endforeach()
