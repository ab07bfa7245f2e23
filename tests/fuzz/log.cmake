add_executable(fuzz_log
  ${CMAKE_CURRENT_LIST_DIR}/log.c
  ${PROJECT_SOURCE_DIR}/gateway/log/escape.c
  ${PROJECT_SOURCE_DIR}/gateway/log/log.c
  ${PROJECT_SOURCE_DIR}/gateway/log/sink.c
  ${PROJECT_SOURCE_DIR}/lib/base/error.c)
target_include_directories(fuzz_log PRIVATE
  ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
target_compile_options(fuzz_log PRIVATE -fsanitize=fuzzer)
target_link_options(fuzz_log PRIVATE -fsanitize=fuzzer)
target_link_libraries(fuzz_log PRIVATE kiln_flags PkgConfig::JANSSON)
