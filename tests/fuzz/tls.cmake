# What a TLS peer can send. The library is built once more, with the fuzzer's eyes in it.
get_target_property(_lib_sources kiln_objects SOURCES)
list(TRANSFORM _lib_sources PREPEND ${PROJECT_SOURCE_DIR}/lib/)
add_library(kiln_fuzzed_lib OBJECT ${_lib_sources})
target_compile_options(kiln_fuzzed_lib PRIVATE -fsanitize=fuzzer-no-link)
target_include_directories(kiln_fuzzed_lib PUBLIC
  ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
target_link_libraries(kiln_fuzzed_lib PUBLIC kiln_flags OpenSSL::SSL OpenSSL::Crypto
  PkgConfig::JANSSON PkgConfig::SODIUM PkgConfig::ARGON2 Unistring::Unistring PkgConfig::CURL)

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
add_library(kiln_fuzz_certs OBJECT ${PROJECT_SOURCE_DIR}/tests/unit/tls_certs.c)
target_include_directories(kiln_fuzz_certs PUBLIC ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(kiln_fuzz_certs PUBLIC kiln_flags PkgConfig::CMOCKA OpenSSL::Crypto)

foreach(_part server client exchange control records certificate config)
  add_executable(fuzz_tls_${_part} ${CMAKE_CURRENT_LIST_DIR}/tls_${_part}.c)
  target_compile_options(fuzz_tls_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_tls_${_part} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_tls_${_part} PRIVATE kiln_fuzzed_lib kiln_fuzz_certs)
endforeach()
