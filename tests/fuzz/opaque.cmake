# Each message of OPAQUE, to the side that it is for; the library is tls.cmake's.
foreach(_part registration_request registration_response record ke1 ke2 ke3 state)
  add_executable(fuzz_opaque_${_part} ${CMAKE_CURRENT_LIST_DIR}/opaque_${_part}.c)
  target_compile_options(fuzz_opaque_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_opaque_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_opaque_${_part} PRIVATE kiln_fuzzed_lib)
endforeach()
