# The worker under a hostile peer, target and engine: the rig of tests/unit, driven by the fuzzer.
set(_gateway ${PROJECT_SOURCE_DIR}/gateway)
file(GLOB _worker_sources CONFIGURE_DEPENDS ${_gateway}/worker/*.c ${_gateway}/io/*.c
  ${_gateway}/log/*.c ${_gateway}/net/*.c ${_gateway}/proxy/*.c ${_gateway}/agent/message.c)
add_executable(fuzz_relay ${CMAKE_CURRENT_LIST_DIR}/relay.c ${_worker_sources}
  ${PROJECT_SOURCE_DIR}/tests/unit/relay_rig.c ${PROJECT_SOURCE_DIR}/tests/unit/relay_peer.c
  ${PROJECT_SOURCE_DIR}/tests/unit/script_io.c ${PROJECT_SOURCE_DIR}/tests/unit/wire.c)
target_include_directories(fuzz_relay PRIVATE ${_gateway} ${PROJECT_SOURCE_DIR}/tests/unit)
target_compile_options(fuzz_relay PRIVATE -fsanitize=fuzzer)
target_link_options(fuzz_relay PRIVATE -fsanitize=fuzzer
  -Wl,--wrap=clock_gettime -Wl,--wrap=kiln_link_log)
target_link_libraries(fuzz_relay PRIVATE kiln_flags kiln_static kiln_steer kiln_sandbox
  PkgConfig::URING
  PkgConfig::CMOCKA PkgConfig::JANSSON)
