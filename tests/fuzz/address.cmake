add_executable(fuzz_address
  ${CMAKE_CURRENT_LIST_DIR}/address.c
  ${PROJECT_SOURCE_DIR}/gateway/net/address.c
  ${PROJECT_SOURCE_DIR}/lib/base/error.c)
target_include_directories(fuzz_address PRIVATE
  ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
target_compile_options(fuzz_address PRIVATE -fsanitize=fuzzer)
target_link_options(fuzz_address PRIVATE -fsanitize=fuzzer)
target_link_libraries(fuzz_address PRIVATE kiln_flags)
