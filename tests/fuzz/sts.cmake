# Requests to the development STS. kiln_fuzzed_lib is tls.cmake's.
set(_sts ${PROJECT_SOURCE_DIR}/gateway/sts)
add_executable(fuzz_sts
  ${CMAKE_CURRENT_LIST_DIR}/sts.c
  ${_sts}/actions.c ${_sts}/document.c ${_sts}/keys_file.c ${_sts}/metadata.c ${_sts}/params.c
  ${_sts}/random.c ${_sts}/reply.c ${_sts}/store.c ${_sts}/verify.c)
target_include_directories(fuzz_sts PRIVATE ${PROJECT_SOURCE_DIR}/gateway)
target_compile_options(fuzz_sts PRIVATE -fsanitize=fuzzer)
target_link_options(fuzz_sts PRIVATE -fsanitize=fuzzer)
target_link_libraries(fuzz_sts PRIVATE kiln_fuzzed_lib)
