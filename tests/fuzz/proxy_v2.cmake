add_executable(fuzz_proxy_v2
  ${CMAKE_CURRENT_LIST_DIR}/proxy_v2.c
  ${PROJECT_SOURCE_DIR}/gateway/proxy/crc32c.c
  ${PROJECT_SOURCE_DIR}/gateway/proxy/proxy_v2_decode.c
  ${PROJECT_SOURCE_DIR}/gateway/proxy/proxy_v2_encode.c
  ${PROJECT_SOURCE_DIR}/lib/base/error.c)
target_include_directories(fuzz_proxy_v2 PRIVATE
  ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
target_compile_options(fuzz_proxy_v2 PRIVATE -fsanitize=fuzzer)
target_link_options(fuzz_proxy_v2 PRIVATE -fsanitize=fuzzer)
target_link_libraries(fuzz_proxy_v2 PRIVATE kiln_flags)
