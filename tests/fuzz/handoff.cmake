# Messages of a hand-off, as both sides read them; the library is tls.cmake's.
add_executable(fuzz_handoff ${CMAKE_CURRENT_LIST_DIR}/handoff.c)
target_compile_options(fuzz_handoff PRIVATE -fsanitize=fuzzer)
target_link_options(fuzz_handoff PRIVATE -fsanitize=fuzzer)
target_link_libraries(fuzz_handoff PRIVATE kiln_fuzzed_lib)
