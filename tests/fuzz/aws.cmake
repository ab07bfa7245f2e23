# What lib/aws reads from peers, from services and from files.
foreach(_part authorization sts arn ini credentials)
  add_executable(fuzz_aws_${_part} ${CMAKE_CURRENT_LIST_DIR}/aws_${_part}.c)
  target_compile_options(fuzz_aws_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_aws_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_aws_${_part} PRIVATE kiln_fuzzed_lib)
endforeach()
